// Noise, bias and shift as pooltool/compare/measures.py defines them; null where there is none.

const FEWEST_RESULTS = 1 << 14, MOST_DRAWN = 1 << 20;

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
  const wanted = Math.floor(FEWEST_RESULTS / still[0].max.length);
  const most = Math.floor(MOST_DRAWN / (planes.length * height * width));
  const random = normalNumbers(), noise = new Spread();
  const changes = { max: new Spread(), min: new Spread(), avg: new Spread() };
  for (let draw = 0; draw < Math.max(1, Math.min(wanted, most)); draw++) {
    planes.forEach((plane, c) => {
      const noisy = Float64Array.from(plane, (value) => {
        const added = level * random();
        noise.add(added);
        return value + added;
      });
      const pooled = pool(noisy, height, width, settings);
      for (const [method, spread] of Object.entries(changes)) {
        pooled[method].forEach((value, i) => spread.add(value - still[c][method][i]));
      }
    });
  }
  const found = { input: { noise: ratio(noise.std, noise.std), bias: ratio(0, noise.std) } };
  for (const [method, { mean, std }] of Object.entries(changes)) {
    found[method] = { noise: ratio(std, noise.std), bias: ratio(mean, noise.std) };
  }
  return found;
}

// {input, max, min, avg} of {shift}: the columns that the picture and the moved picture both have.
function measureShift(planes, height, width, settings) {
  const found = Object.fromEntries(["input", ...METHODS].map((name) => [name, { shift: null }]));
  if (width < 2) return found;
  const without = (plane, column) => plane.filter((_, i) => i % width !== column);
  const pairs = planes.map((plane) => [without(plane, 0), without(plane, width - 1)]);
  const change = (of) => Spread.of(pairs.map((pair) => {
    const [here, moved] = pair.map(of);
    return Float64Array.from(here, (value, i) => Math.abs(value - moved[i]));
  })).mean;
  found.input.shift = ratio(change((plane) => plane), Spread.of(planes).std);
  try {
    pool(pairs[0][0], height, width - 1, settings);
  } catch (error) {
    if (!error.reason) throw error;
    return found; // a column less leaves no window
  }
  const still = planes.map((plane) => pool(plane, height, width, settings));
  for (const method of METHODS) {
    const changed = change((plane) => pool(plane, height, width - 1, settings)[method]);
    found[method].shift = ratio(changed, Spread.of(still.map((pooled) => pooled[method])).std);
  }
  return found;
}
