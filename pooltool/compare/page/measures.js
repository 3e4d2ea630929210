// Noise, bias and shift as pooltool/compare/measures.py defines them; null where there is none.

const FEWEST_RESULTS = 1 << 16, MOST_DRAWN = 1 << 20;

// Mean and standard deviation of the finite ones of all values that were added.
class Spread {
  count = 0; origin = 0; total = 0; squares = 0;

  add(value) {
    if (!Number.isFinite(value)) return;
    if (!this.count) this.origin = value;
    this.count += 1;
    this.total += value - this.origin;
    this.squares += (value - this.origin) ** 2;
  }

  static of(planes) {
    const spread = new Spread();
    for (const plane of planes) for (let i = 0; i < plane.length; i++) spread.add(plane[i]);
    return spread;
  }

  get mean() { return this.count ? this.origin + this.total / this.count : null; }

  get std() {
    const mean = this.total / this.count;
    return this.count ? Math.sqrt(Math.max(0, this.squares / this.count - mean * mean)) : null;
  }
}

const ratio = (change, unit) => (unit && change !== null ? change / unit : null);

// Normal random numbers, the same on every run: mulberry32 through the Box-Muller transform.
function normalNumbers() {
  let seed = 0;
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

// {input, max, min, avg} of {noise, bias}; `level` is the noise's standard deviation.
function measureNoise(planes, height, width, settings, level) {
  const still = planes.map((plane) => pool(plane, height, width, settings));
  const draws = Math.min(
    FEWEST_RESULTS / still[0].max.length, MOST_DRAWN / (planes.length * height * width));
  const random = normalNumbers(), noise = new Spread();
  const changes = METHODS.map(() => new Spread());
  let drawn = [];
  for (let draw = 0; draw < Math.max(1, Math.floor(draws)); draw++) {
    const again = draw % 2 ? drawn : (drawn = []); // each noise also as its negative
    planes.forEach((plane, c) => {
      const numbers = draw % 2 ? again[c].map((one) => -one) : plane.length && Float64Array.from(plane, random);
      if (!(draw % 2)) drawn[c] = numbers;
      const noisy = Float64Array.from(plane, (value, i) => {
        const added = level * numbers[i];
        noise.add(added);
        return value + added;
      });
      const pooled = pool(noisy, height, width, settings);
      METHODS.forEach((method, m) => pooled[method].forEach((value, i) => {
        changes[m].add(value - still[c][method][i]);
      }));
    });
  }
  const found = { input: { noise: ratio(noise.std, noise.std), bias: ratio(0, noise.std) } };
  METHODS.forEach((method, m) => {
    const { mean, std } = changes[m];
    found[method] = { noise: ratio(std, noise.std), bias: ratio(method === "avg" ? 0 : mean, noise.std) };
  });
  return found;
}

// {input, max, min, avg} of {shift}: the columns that the picture and the moved picture both have.
function measureShift(planes, height, width, settings) {
  const [still, here, moved] = [-1, 0, width - 1].map((dropped) => planes.map((plane) => {
    const input = plane.filter((_, i) => i % width !== dropped);
    try {
      return { input, ...pool(input, height, input.length / height, settings) };
    } catch (error) {
      if (!error.reason) throw error;
      return { input }; // a column less leaves no window
    }
  }));
  return Object.fromEntries(["input", ...METHODS].map((name) => {
    const changes = here.map(({ [name]: values = [] }, c) => (
      Float64Array.from(values, (value, i) => Math.abs(value - moved[c][name][i]))));
    const contrast = Spread.of(still.map((pooled) => pooled[name])).std;
    return [name, { shift: ratio(Spread.of(changes).mean, contrast) }];
  }));
}
