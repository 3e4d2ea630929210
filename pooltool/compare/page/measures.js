// Noise, bias and shift as pooltool/compare/measures.py defines them; null where there is none. The
// random numbers are others than there, so that the last digit of noise and bias may differ.

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

// The columns from `low` to before `high` of a plane of this width.
function columnsOf(plane, width, low, high) {
  const out = new Float64Array(plane.length / width * (high - low));
  for (let from = low, to = 0; to < out.length; from += width, to += high - low) {
    out.set(plane.subarray(from, from + high - low), to);
  }
  return out;
}

// The values of the picture called `name`: those given, or their results.
const madeBy = (name, values, axes, { count_include_pad: countPadding }) => (
  name === "input" ? values : poolBy(name, values, axes, countPadding));

// Adds noise and bias to the figures of each picture; `noise` is the noise's standard deviation.
async function measureNoise(figures, planes, { height, width, noise }, { id, settings }) {
  const axes = layOver(height, width, settings), results = axes[0].count * axes[1].count;
  const draws = Math.min(FEWEST_RESULTS / results, MOST_DRAWN / (planes.length * height * width));
  const random = normalNumbers(), changes = NAMES.map(() => new Spread());
  for (const plane of planes) {
    const still = NAMES.map((name) => madeBy(name, plane, axes, settings));
    for (let draw = 0; draw < Math.max(1, Math.floor(draws / 2)); draw++) {
      await pause(id);
      const added = plane.map(() => noise * random());
      // With its negative, so that chance alone moves nothing up or down.
      for (const sign of draws < 2 ? [1] : [1, -1]) {
        const noisy = plane.map((value, i) => value + sign * added[i]);
        NAMES.forEach((name, n) => madeBy(name, noisy, axes, settings).forEach((value, i) => (
          changes[n].add(value - still[n][i]))));
      }
    }
  }
  NAMES.forEach((name, n) => {
    const bias = name === "input" || name === "avg" ? 0 : changes[n].mean; // those are linear
    const unit = changes[0].std; // of the noise itself
    Object.assign(figures[name], { noise: ratio(changes[n].std, unit), bias: ratio(bias, unit) });
  });
}

// Adds shift: of the columns that the picture and the moved picture both have.
async function measureShift(figures, planes, { height, width }, { id, settings }) {
  const axes = layOver(height, width, settings);
  let narrow = null;
  try {
    narrow = layOver(height, width - 1, settings);
  } catch (error) {
    if (!error.reason) throw error; // else a column less leaves no window
  }
  for (const name of NAMES) {
    const changes = new Spread(), still = new Spread();
    for (const plane of planes) {
      await pause(id);
      madeBy(name, plane, axes, settings).forEach((value) => still.add(value));
      if (name !== "input" && !narrow) continue;
      const left = madeBy(name, columnsOf(plane, width, 0, width - 1), narrow, settings);
      const right = madeBy(name, columnsOf(plane, width, 1, width), narrow, settings);
      right.forEach((value, i) => changes.add(Math.abs(value - left[i])));
    }
    figures[name].shift = ratio(changes.mean, still.std);
  }
}
