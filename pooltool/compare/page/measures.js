// Noise, bias and shift as pooltool/compare/measures.py defines them; null where there is none.

const FEWEST_RESULTS = 1 << 16, MOST_DRAWN = 1 << 20, SAMPLE_SIDE = 1200, FEWEST_WINDOWS = 8;

// Mean and standard deviation of the finite ones of all values that were added.
class Spread {
  count = 0; origin = 0; total = 0; squares = 0; hasNaN = false;

  add(value) {
    if (value !== value) this.hasNaN = true;
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

// Rows and columns, each from `low` to before `high`, of planes of this width.
function cropped(planes, width, rows, columns) {
  const across = columns.high - columns.low;
  return planes.map((plane) => {
    const out = new plane.constructor((rows.high - rows.low) * across);
    for (let y = rows.low; y < rows.high; y++) {
      const from = y * width + columns.low;
      out.set(plane.subarray(from, from + across), (y - rows.low) * across);
    }
    return out;
  });
}

// The windows in the middle of a large picture, as `_center` of measures.py cuts them.
function sampleOf(planes, height, width, settings) {
  const [rows, columns] = layOver(height, width, settings).map(({ size, count, windows }) => {
    if (size <= SAMPLE_SIDE) return { low: 0, high: size, count };
    const few = Math.min(count, Math.max(FEWEST_WINDOWS, Math.floor(count * SAMPLE_SIDE / size)));
    const first = Math.floor((count - few) / 2), { end } = windows[first + few - 1];
    return { low: Math.max(0, windows[first].start), high: Math.min(size, end), count: few };
  });
  const output_size = settings.output_size && [rows.count, columns.count];
  return {
    planes: cropped(planes, width, rows, columns), settings: { ...settings, output_size },
    height: rows.high - rows.low, width: columns.high - columns.low,
  };
}

// Adds noise and bias to the figures of each picture; `level` is the noise's standard deviation.
async function measureNoise(figures, { planes, height, width, settings }, level) {
  const axes = layOver(height, width, settings), results = axes[0].count * axes[1].count;
  const draws = Math.min(FEWEST_RESULTS / results, MOST_DRAWN / (planes.length * height * width));
  const random = normalNumbers(), noise = new Spread(), changes = METHODS.map(() => new Spread());
  const by = (method, values) => poolBy(method, values, axes, settings.count_include_pad);
  for (const plane of planes) {
    const still = METHODS.map((method) => by(method, plane));
    for (let draw = 0; draw < Math.max(1, Math.floor(draws / 2)); draw++) {
      await pause();
      const added = Float64Array.from(plane, () => level * random());
      // With its negative, so that chance alone moves nothing up or down.
      for (const sign of draws < 2 ? [1] : [1, -1]) {
        const noisy = Float64Array.from(plane, (value, i) => value + sign * added[i]);
        METHODS.forEach((method, m) => {
          by(method, noisy).forEach((value, i) => changes[m].add(value - still[m][i]));
        });
        added.forEach((value) => noise.add(sign * value));
      }
    }
  }
  const unit = noise.std;
  Object.assign(figures.input, { noise: ratio(unit, unit), bias: ratio(0, unit) });
  METHODS.forEach((method, m) => {
    const bias = method === "avg" ? 0 : changes[m].mean; // the average is linear
    Object.assign(figures[method], { noise: ratio(changes[m].std, unit), bias: ratio(bias, unit) });
  });
}

// Adds shift: of the columns that the picture and the moved picture both have.
async function measureShift(figures, { planes, height, width, settings }) {
  const rows = { low: 0, high: height };
  const right = cropped(planes, width, rows, { low: 1, high: width });
  const left = cropped(planes, width, rows, { low: 0, high: width - 1 });
  for (const name of ["input", ...METHODS]) {
    const changes = new Spread(), still = new Spread(), results = (values, across) => (
      name === "input" ? values : poolBy(
        name, values, layOver(height, across, settings), settings.count_include_pad));
    for (let c = 0; c < planes.length; c++) {
      await pause();
      results(planes[c], width).forEach((value) => still.add(value));
      try {
        const moved = results(left[c], width - 1);
        results(right[c], width - 1).forEach((value, i) => changes.add(Math.abs(value - moved[i])));
      } catch (error) {
        if (!error.reason) throw error; // else a column less leaves no window
      }
    }
    figures[name].shift = ratio(changes.mean, still.std);
  }
}
