"""Make the sample pictures that lie beside this script.

Run it as ``python sample_images/make_samples.py``.  Every picture is drawn from
fixed seeds, so a second run writes the same bytes again:

* ``mountain.jpg``: a colour landscape full of small bright and dark details,
* ``lecture.pgm`` and ``lecture_noisy.pgm``: 4 x 4 grids in plain text,
* ``depth16.png``: a 16-bit elevation map,
* ``badge.png``: a round badge with a transparent, antialiased edge.

Colours are RGB numbers between 0 and 1 until a picture is written.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Colour = tuple[float, float, float]
Point = tuple[float, float]

HERE = Path(__file__).parent

HEIGHT, WIDTH = 700, 1024
SCALE = 2  # the landscape is painted this many times larger, then shrunk
ROWS, COLS = HEIGHT * SCALE, WIDTH * SCALE
SHORE_Y = 910  # far shore of the lake, in painted rows
MEADOW_Y = 1200  # near shore of the lake, in painted rows
SUN: Point = (250.0, 430.0)  # x and y of the glow in the sky
HAZE: Colour = (0.83, 0.80, 0.82)
TILT = 0.32  # rows of the painting by which one step of depth rises

# The peaks of the massif: column, depth, height, radius of the foot.
PEAKS = [
    (1160, 560, 760, 800),
    (800, 600, 330, 520),
    (1540, 600, 390, 560),
    (1350, 330, 250, 380),
    (960, 340, 210, 360),
    (380, 760, 170, 480),
    (1960, 760, 260, 480),
]

# The wooded hills from far to near: knots (x, y) of the crest, haze, height of a tree.
HILLS: list[tuple[list[Point], float, float]] = [
    ([(0, 990), (900, 960), (1300, 880), (1700, 760), (2048, 690)], 0.52, 20),
    ([(0, 650), (300, 720), (650, 830), (950, 925), (2048, 990)], 0.34, 27),
    ([(0, 830), (400, 868), (900, 886), (1400, 884), (1800, 860), (2048, 825)], 0.12, 43),
]
# The line at which the meadow meets the lake.
NEAR_SHORE: list[Point] = [
    (0, 1150),
    (300, 1190),
    (800, 1250),
    (1300, 1235),
    (1700, 1180),
    (2048, 1130),
]
FLOWERS: list[Colour] = [
    (0.98, 0.97, 0.93),
    (0.98, 0.84, 0.25),
    (0.86, 0.28, 0.24),
    (0.62, 0.45, 0.80),
]
# The conifers that frame the view, in order of painting: x and y of the foot, height.
TALL_TREES = [
    (1830, 1215, 430),
    (60, 1200, 470),
    (1985, 1235, 640),
    (175, 1225, 330),
    (1745, 1245, 300),
    (1900, 1290, 560),
    (-10, 1270, 620),
    (2060, 1330, 760),
    (1805, 1300, 210),
    (255, 1262, 190),
]

NAVY: Colour = (0.10, 0.20, 0.29)
CREAM: Colour = (0.98, 0.94, 0.84)
SNOW: Colour = (0.97, 0.98, 0.99)
BADGE_SCALE = 8  # the badge is drawn this many times larger, then shrunk

LECTURE = [[0, 3, 3, 0], [2, 7, 6, 8], [0, 1, 7, 6], [1, 3, 5, 6]]
LECTURE_NOISY = [[1, 3, 2, 0], [2, 7, 6, 8], [0, 2, 7, 3], [1, 3, 5, 6]]


# ---------------------------------------------------------------- noise and colour


def smoothstep(low: float, high: float, values: Image) -> Image:
    """Rise softly from 0 where values are below low to 1 where they are above high."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def mix(first: Image, second: Image, weight: Image) -> Image:
    """Blend two colour pictures; weight 0 gives the first and 1 the second."""
    return first + (second - first) * weight[..., None]


def as_image(values: NDArray[np.generic]) -> Image:
    """Store numbers as 32-bit floats."""
    return np.asarray(values, dtype=np.float32)


def rgb(colour: Colour) -> Image:
    """Turn a colour into an array that broadcasts against a picture."""
    return np.array(colour, dtype=np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cell: Point) -> Image:
    """Enlarge random numbers in -1..1 that lie one cell (high, wide) apart."""
    rows, cols = shape
    grid_rows, grid_cols = int(rows / cell[0]) + 4, int(cols / cell[1]) + 4
    grid = rng.uniform(-1, 1, (grid_rows, grid_cols)).astype(np.float32)
    size = (round(grid_cols * cell[1]), round(grid_rows * cell[0]))
    large = cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
    top, left = round(cell[0]), round(cell[1])
    return np.asarray(large[top : top + rows, left : left + cols], dtype=np.float32)


def fractal_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: Point, octaves: int, gain: float = 0.5
) -> Image:
    """Add octaves of noise, each twice as fine as the last and weaker by the gain."""
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        size = (max(cell[0] / 2**octave, 1.0), max(cell[1] / 2**octave, 1.0))
        total += gain**octave * smooth_noise(rng, shape, size)
    return total


def ridged_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int, gain: float = 0.5
) -> Image:
    """Fold octaves of noise into sharp crests; fine crests grow on coarse ones."""
    total = np.zeros(shape, dtype=np.float32)
    weight = np.ones(shape, dtype=np.float32)
    for octave in range(octaves):
        size = cell / 2**octave
        fold = np.abs(smooth_noise(rng, shape, (size, size)))
        crest = np.clip(1 - fold, 0, 1) ** 1.6
        total += gain**octave * weight * crest
        weight = np.clip(weight * crest * 1.6, 0, 1)
    return total


# ---------------------------------------------------------------- sky


def paint_sky(rng: np.random.Generator) -> Image:
    """Paint the gradient of the sky, the glow of a low sun and soft clouds."""
    stops = [0, 300, 620, 960]
    colours = np.array(
        [(0.27, 0.44, 0.68), (0.52, 0.67, 0.83), (0.90, 0.82, 0.76), (0.95, 0.83, 0.70)]
    )
    rows = np.arange(ROWS)
    column = np.stack([np.interp(rows, stops, colours[:, c]) for c in range(3)], axis=1)
    sky = np.broadcast_to(column[:, None, :], (ROWS, COLS, 3)).astype(np.float32)
    y, x = np.indices((ROWS, COLS), dtype=np.float32)
    distance = np.hypot((x - SUN[0]) / 1.5, y - SUN[1])
    glow = np.exp(-distance / 260) * 0.75
    sky = mix(sky, rgb((1.0, 0.90, 0.68)), glow)
    return paint_clouds(rng, sky, glow)


def paint_clouds(rng: np.random.Generator, sky: Image, glow: Image) -> Image:
    """Lay stretched clouds over the sky, lit from the side of the sun."""
    shape = (ROWS, COLS)
    density = fractal_noise(rng, shape, (150, 620), 7, 0.55)
    veil = fractal_noise(rng, shape, (60, 900), 5, 0.5)
    cover = smoothstep(0.05, 1.0, density + 0.25 * veil)
    lit = density - cv2.warpAffine(
        density, np.array([[1.0, 0, 30], [0, 1, 22]]), (COLS, ROWS), borderMode=cv2.BORDER_REFLECT
    )
    shade = smoothstep(-0.5, 0.5, -lit)[..., None]
    cloud = rgb((0.70, 0.71, 0.79)) * (1 - shade) + rgb((1.0, 0.97, 0.93)) * shade
    cloud = mix(cloud, rgb((1.0, 0.87, 0.70)), np.clip(glow * 1.2, 0, 0.8))
    return mix(sky, cloud, cover * 0.85)


# ---------------------------------------------------------------- terrain


def project(height: Image, base: float) -> tuple[NDArray[np.intp], Image]:
    """Find which row of depth is seen at each painted row, looking slightly down.

    Returns the depth for each pixel and a mask of the pixels that show terrain.
    """
    depths, cols = height.shape
    rise = height + TILT * np.arange(depths, dtype=np.float32)[:, None]
    horizon = np.maximum.accumulate(rise, axis=0)
    above = base - np.arange(ROWS, dtype=np.float32)
    index = np.empty((ROWS, cols), dtype=np.intp)
    for col in range(cols):
        index[:, col] = np.searchsorted(horizon[:, col], above)
    mask = (index < depths) & (above[:, None] >= 0)
    return np.minimum(index, depths - 1), mask.astype(np.float32)


def slopes(height: Image) -> tuple[Image, Image]:
    """Return the slope of a terrain towards the back and towards the right."""
    return as_image(np.gradient(height, axis=0)), as_image(np.gradient(height, axis=1))


def hillshade(height: Image, light: tuple[float, float, float]) -> Image:
    """Light a terrain from a direction (right, back, up); 0 is turned away, 1 faces it."""
    back, right = slopes(height)
    toward = np.array(light) / np.linalg.norm(light)
    facing = toward[2] - right * toward[0] - back * toward[1]
    return as_image(np.clip(facing / np.sqrt(1 + right**2 + back**2), 0, 1))


def cast_shadow(height: Image, steepness: float) -> Image:
    """Mark what a light from the left leaves dark: 1 in shadow, 0 in the open."""
    slanted = height + steepness * np.arange(height.shape[1], dtype=np.float32)
    return smoothstep(0, 14, np.maximum.accumulate(slanted, axis=1) - slanted)


def massif_height(rng: np.random.Generator) -> Image:
    """Raise the main massif: a few peaks joined by ridges, cut by gullies."""
    shape = (900, COLS)
    y, x = np.indices(shape, dtype=np.float32)
    x += fractal_noise(rng, shape, (200, 200), 4) * 45
    y += fractal_noise(rng, shape, (200, 200), 4) * 45
    height = np.zeros(shape, dtype=np.float32)
    for px, py, top, radius in PEAKS:
        cone = np.clip(1 - np.hypot(x - px, y - py) / radius, 0, None) ** 1.25
        height += (top * cone.astype(np.float32)) ** 3
    height = np.cbrt(height)
    crests = ridged_noise(rng, shape, 230, 8, 0.52)
    front = smoothstep(0, 190, np.indices(shape, dtype=np.float32)[0])
    return (height * (0.74 + 0.13 * crests) + 70 * crests) * front - 50


def massif_colours(rng: np.random.Generator, height: Image) -> Image:
    """Colour the massif: rock, snow above an irregular line, light and shadow."""
    light = hillshade(height, (-0.80, -0.30, 0.52))
    light = light * (1 - 0.85 * cast_shadow(height, 0.42))
    back, right = slopes(as_image(cv2.GaussianBlur(height, (0, 0), 2.0)))
    steep = np.hypot(back, right)
    line = height + 70 * fractal_noise(rng, height.shape, (90, 90), 6, 0.6)
    snow = smoothstep(190, 250, line) * (1 - smoothstep(1.3, 2.1, steep - 0.0016 * height))
    grain = fractal_noise(rng, height.shape, (24, 60), 5, 0.65)
    strata = np.sin(height / 7 + 2 * grain) * 0.06
    rock = rgb((0.43, 0.39, 0.37)) * (1 + 0.22 * grain + strata)[..., None]
    ground = mix(as_image(rock), rgb((0.97, 0.97, 0.98)), snow)
    ground = ground * (1 + 0.06 * fractal_noise(rng, height.shape, (9, 9), 3))[..., None]
    sunlit = rgb((1.10, 0.97, 0.80)) * light[..., None] * 0.98
    shade = rgb((0.40, 0.50, 0.70)) * (0.72 + 0.28 * (1 - light[..., None]))
    return np.asarray(ground * (sunlit + shade * (1 - 0.5 * light[..., None])), dtype=np.float32)


def paint_massif(rng: np.random.Generator, picture: Image) -> Image:
    """Paint the massif over the picture, with haze gathering in its valleys."""
    height = massif_height(rng)
    colours = massif_colours(rng, height)
    depth, mask = project(height, SHORE_Y)
    cols = np.arange(COLS)[None, :]
    seen = colours[depth, cols]
    grit = fractal_noise(rng, (ROWS, COLS), (12, 9), 4, 0.8)
    bare = smoothstep(-0.06, 0.04, seen[..., 0] - seen[..., 2])
    bare *= 1 - smoothstep(0.5, 0.8, seen.mean(axis=2))
    seen = seen * (1 + (0.02 + 0.13 * bare) * grit)[..., None]
    haze = 0.08 + 0.72 * (1 - smoothstep(-60, 300, height[depth, cols]))
    return mix(picture, mix(seen, rgb(HAZE), haze), mask)


# ---------------------------------------------------------------- forest


def draw_bough(canvas: Image, root: Point, tip: Point, thickness: float, colour: Colour) -> None:
    """Draw one bough as a slim triangle that hangs from the trunk to its tip."""
    corners = [(root[0], root[1] - thickness), tip, (root[0], root[1] + thickness * 0.4)]
    points = np.rint(np.array(corners) * 16).astype(np.int32)
    cv2.fillPoly(canvas, [points], colour, lineType=cv2.LINE_8, shift=4)


def tint(colour: Colour, factor: float, warmth: float = 0.0) -> Colour:
    """Brighten a colour by a factor and shift it towards the yellow of sunlight."""
    red, green, blue = (part * factor for part in colour)
    return (red * (1 + warmth), green * (1 + 0.6 * warmth), blue)


def draw_conifer(
    canvas: Image,
    rng: np.random.Generator,
    foot: Point,
    height: float,
    colour: Colour,
    haze: float = 0.0,
) -> None:
    """Draw a conifer from its foot to its tip: bright boughs left, dark boughs right."""
    boughs = int(np.clip(height / 3.2, 9, 50) + height * 1.1 * (height > 150))
    width = height * rng.uniform(0.17, 0.22)
    thickness = float(np.clip(height / 10, 2, 8))
    for part in np.arange(boughs) / boughs:  # 0 at the foot, 1 at the tip
        turn = float(np.sin(rng.uniform(-np.pi / 2, np.pi / 2)))  # -1 is left, 1 is right
        reach = width * (1 - part) ** 0.85 * rng.uniform(0.7, 1.15) + 1
        y = foot[1] - height * (0.05 + 0.92 * part)
        drop = reach * (rng.uniform(0.2, 0.5) + 0.35 * (1 - abs(turn)))
        bright = (1.0 - 0.45 * turn) * rng.uniform(0.65, 1.35) * (0.75 + 0.4 * part)
        shade = tint(colour, bright, 0.22 * (1 - turn) / 2)
        draw_bough(
            canvas, (foot[0], y), (foot[0] + turn * reach, y + drop), thickness, fade(shade, haze)
        )
    top = (foot[0], foot[1] - 0.9 * height)
    glint = fade(tint(colour, 2.2, 0.3), haze)
    draw_bough(canvas, top, (foot[0], foot[1] - height), 1.5, glint)


def fade(colour: Colour, haze: float) -> Colour:
    """Let a colour vanish in the haze of the distance."""
    red, green, blue = (c + (h - c) * haze for c, h in zip(colour, HAZE, strict=True))
    return (red, green, blue)


def plant_hill(
    canvas: Image, rng: np.random.Generator, crest: Image, haze: float, tree: float
) -> None:
    """Cover the ground between a crest line and the lake with conifers."""
    top, bottom = float(crest.min()), SHORE_Y + 6
    patches = fractal_noise(rng, (ROWS, COLS), (90, 220), 4)
    xs = rng.uniform(0, COLS, int(COLS * (bottom - top) / tree**2 * 26))
    ys = np.sort(rng.uniform(top, bottom, xs.size))
    for x, y in zip(xs, ys, strict=True):
        if y < crest[int(x)]:
            continue
        sun = 1 + 0.45 * float(patches[int(y), int(x)])
        larch = rng.random() < 0.07
        leaf: Colour = (0.44, 0.34, 0.13) if larch else (0.15, 0.235, 0.155)
        colour = tint(leaf, sun * rng.uniform(0.75, 1.25), 0.1)
        draw_conifer(canvas, rng, (x, y), tree * rng.uniform(0.65, 1.2), colour, haze)


def crest_line(rng: np.random.Generator, knots: list[Point], rough: float) -> Image:
    """Run a line through knots (x, y) and roughen it."""
    xs, ys = zip(*knots, strict=True)
    line = np.interp(np.arange(COLS), xs, ys).astype(np.float32)
    line = cv2.GaussianBlur(line[None, :], (0, 0), 40, borderType=cv2.BORDER_REPLICATE)[0]
    return np.asarray(line + rough * fractal_noise(rng, (1, COLS), (1, 200), 6)[0])


def paint_hills(rng: np.random.Generator, picture: Image) -> Image:
    """Paint wooded hills in front of the massif, nearer ones darker and less hazy."""
    canvas = np.ascontiguousarray(picture)
    for knots, haze, tree in HILLS:
        crest = crest_line(rng, knots, 14)
        rows = np.arange(ROWS, dtype=np.float32)[:, None]
        ground = (rows > crest) & (rows < SHORE_Y)
        canvas[ground] = fade((0.11, 0.17, 0.11), haze)
        plant_hill(canvas, rng, crest, haze, tree)
    return canvas


# ---------------------------------------------------------------- lake and meadow


def paint_lake(rng: np.random.Generator, picture: Image) -> Image:
    """Mirror the scene in the lake, stirred by ripples, and strew glints on it."""
    rows = MEADOW_Y + 60 - SHORE_Y
    y, x = np.indices((rows, COLS), dtype=np.float32)
    near = y / rows
    ripple = fractal_noise(rng, (rows, COLS), (5, 70), 3, 0.6)
    swell = fractal_noise(rng, (rows, COLS), (22, 400), 3, 0.5)
    up = SHORE_Y - 2.0 * y - (4 + 26 * near) * ripple
    scene = cv2.GaussianBlur(picture[:SHORE_Y], (0, 0), sigmaX=2, sigmaY=5)
    mirror = cv2.remap(scene, x + 3 * ripple, np.clip(up, 0, SHORE_Y - 2), cv2.INTER_LINEAR)
    water = mix(
        as_image(mirror) * rgb((0.80, 0.86, 0.90)),
        rgb((0.10, 0.24, 0.30)),
        as_image(0.15 + 0.35 * near),
    )
    breeze = smoothstep(0.35, 0.9, swell) * 0.35
    water = mix(water, rgb((0.72, 0.76, 0.80)), breeze)
    water[:4] = water[:4] * 0.55 + 0.2
    canvas = picture.copy()
    canvas[SHORE_Y : SHORE_Y + rows] = water
    strew_glints(rng, canvas)
    return canvas


def strew_glints(rng: np.random.Generator, canvas: Image) -> None:
    """Strew small bright flecks on the lake, most of them below the sun."""
    gusts = fractal_noise(rng, (ROWS, COLS), (16, 190), 4, 0.6)
    for _ in range(13000):
        near = rng.uniform(0.02, 1) ** 1.2
        x = SUN[0] + 330 + rng.normal() * (170 + 420 * near)
        y = SHORE_Y + near * (MEADOW_Y + 40 - SHORE_Y)
        if not 0 <= x < COLS or gusts[int(y), int(x)] < rng.uniform(0.25, 1.25):
            continue
        size = (int(1.5 + rng.uniform(0.5, 4.5) * near), 1)
        bright = rng.uniform(0.75, 1.0)
        colour = (bright, bright * 0.95, bright * 0.82)
        cv2.ellipse(canvas, (int(x), int(y)), size, 0, 0, 360, colour, -1)


def paint_meadow(rng: np.random.Generator, picture: Image) -> Image:
    """Paint the near shore: a sunny meadow with blades of grass and flowers."""
    canvas = picture.copy()
    shore = crest_line(rng, NEAR_SHORE, 10)
    rows = np.arange(ROWS, dtype=np.float32)[:, None]
    near = np.clip((rows - shore) / (ROWS - shore), 0, 1)
    light = fractal_noise(rng, (ROWS, COLS), (60, 260), 5)
    grass = mix(
        np.broadcast_to(rgb((0.50, 0.50, 0.21)), (ROWS, COLS, 3)), rgb((0.16, 0.26, 0.10)), near
    )
    grass = grass * (1 + 0.28 * light)[..., None]
    bank = smoothstep(0, 10, np.asarray(rows - shore))
    grass = mix(np.broadcast_to(rgb((0.55, 0.50, 0.42)), grass.shape), grass, bank)
    canvas = mix(canvas, grass, smoothstep(-1.5, 1.5, np.asarray(rows - shore)))
    canvas = np.ascontiguousarray(canvas)
    grow_grass(rng, canvas, shore, light)
    return canvas


def grow_grass(rng: np.random.Generator, canvas: Image, shore: Image, light: Image) -> None:
    """Draw blades of grass from back to front, with flowers between them."""
    for y in np.sort(1 - rng.beta(1.3, 1.0, 26000)) * (ROWS + 20 - 1130) + 1130:
        x = rng.uniform(0, COLS - 1)
        near = (y - shore[int(x)]) / (ROWS - shore[int(x)])
        if near < 0.02:
            continue
        length = 5 + 34 * near * rng.uniform(0.5, 1.2)
        sun = (1 + 0.35 * float(light[min(int(y), ROWS - 1), int(x)])) * rng.uniform(0.55, 1.5)
        blade = tint((0.33, 0.36, 0.13), sun * (1.15 - 0.4 * near), rng.uniform(0, 0.35))
        tip = (x + length * rng.normal() * 0.3, y - length)
        draw_bough(canvas, (x, y), tip, 1.0, blade)
        bend = np.array([(x - 1 - near, y), tip, (x + 1 + near, y)])
        cv2.fillPoly(canvas, [np.rint(bend).astype(np.int32)], blade)
        if rng.random() < 0.035:
            draw_flower(rng, canvas, tip, near)


def draw_flower(rng: np.random.Generator, canvas: Image, place: Point, near: float) -> None:
    """Dot one flower, larger the nearer it stands."""
    colour = FLOWERS[int(rng.choice(4, p=[0.4, 0.35, 0.1, 0.15]))]
    radius = int(1 + 3.2 * near * rng.uniform(0.6, 1.2))
    cv2.circle(canvas, (int(place[0]), int(place[1])), radius, colour, -1)


def cast_tree_shadow(canvas: Image, foot: tuple[int, int], height: int) -> None:
    """Darken the grass where a tree on the meadow keeps the light away."""
    mask = np.zeros((ROWS, COLS), dtype=np.float32)
    tip = (foot[0] + height // 2, foot[1] + height // 9)
    half = height // 7
    points = [(foot[0] - half, foot[1] - 4), tip, (foot[0] + half // 2, foot[1] + 16)]
    cv2.fillPoly(mask, [np.array(points)], 1.0)
    mask[:MEADOW_Y] *= 0.5
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 7), dtype=np.float32)
    canvas *= (1 - 0.5 * mask)[..., None]


def paint_foreground(rng: np.random.Generator, picture: Image) -> Image:
    """Frame the view with tall conifers on both sides."""
    canvas = np.ascontiguousarray(picture)
    for x, y, height in TALL_TREES:
        cast_tree_shadow(canvas, (x, y), height)
    for x, y, height in TALL_TREES:
        draw_conifer(canvas, rng, (float(x), float(y)), float(height), (0.13, 0.20, 0.12))
    return canvas


# ---------------------------------------------------------------- finished pictures


def shrink(picture: Image) -> Image:
    """Shrink the painting to the size of the sample picture."""
    return np.asarray(cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))


def to_bytes(picture: Image) -> NDArray[np.uint8]:
    """Turn colours in 0..1 into whole numbers in 0..255."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def make_mountain() -> NDArray[np.uint8]:
    """Paint the landscape from back to front and return it as RGB."""
    rng = np.random.default_rng(7)
    picture = paint_sky(rng)
    for paint in (paint_massif, paint_hills, paint_lake, paint_meadow, paint_foreground):
        picture = paint(rng, picture)
    return to_bytes(shrink(picture))


# ---------------------------------------------------------------- grids and elevation


def plain_pgm(grid: list[list[int]], comment: str) -> str:
    """Write a grid of numbers as a plain-text PGM, one row a line."""
    rows = [" ".join(f"{number:3d}" for number in row) for row in grid]
    head = ["P2", f"# {comment}", f"{len(grid[0])} {len(grid)}", "255"]
    return "\n".join(head + rows) + "\n"


def make_depth() -> NDArray[np.uint16]:
    """Raise an island of hills and ridges that uses all 16 bits."""
    rng = np.random.default_rng(16)
    shape = (241, 319)
    y, x = np.indices(shape, dtype=np.float32)
    x += fractal_noise(rng, shape, (80, 80), 4) * 26
    y += fractal_noise(rng, shape, (80, 80), 4) * 26
    island = np.exp(-(((x - 165) / 125) ** 2) - ((y - 118) / 92) ** 2).astype(np.float32)
    relief = island * (0.25 + ridged_noise(rng, shape, 66, 6, 0.5) ** 1.4)
    relief += 0.05 * fractal_noise(rng, shape, (60, 60), 3)
    relief = (relief - relief.min()) / (relief.max() - relief.min())
    return np.asarray(np.rint(relief.astype(np.float64) ** 0.7 * 65535), dtype=np.uint16)


# ---------------------------------------------------------------- badge


def polygon(canvas: Image, corners: list[Point], colour: Colour) -> None:
    """Fill a polygon, given in badge pixels, on the enlarged RGBA canvas."""
    points = np.rint(np.array(corners) * BADGE_SCALE).astype(np.int32)
    cv2.fillPoly(canvas, [points], (*colour, 1.0))


def disc(canvas: Image, centre: Point, radius: float, colour: Colour) -> None:
    """Fill a disc, given in badge pixels, on the enlarged RGBA canvas."""
    x, y = (round(part * BADGE_SCALE) for part in centre)
    cv2.circle(canvas, (x, y), round(radius * BADGE_SCALE), (*colour, 1.0), -1)


def stroke(canvas: Image, points: list[Point], width: float, colour: Colour) -> None:
    """Draw a fine line through points, given in badge pixels."""
    path = np.rint(np.array(points) * BADGE_SCALE).astype(np.int32)
    cv2.polylines(canvas, [path], False, (*colour, 1.0), max(1, round(width * BADGE_SCALE)))


def draw_scene(canvas: Image) -> None:
    """Draw what the badge frames: sky, sun with rays, mountains, waves."""
    rows = canvas.shape[0]
    blend = np.clip(np.linspace(-0.15, 1.5, rows, dtype=np.float32), 0, 1)[:, None]
    canvas[..., :3] = (rgb((0.16, 0.42, 0.55)) * (1 - blend) + rgb((1.0, 0.80, 0.52)) * blend)[
        :, None
    ]
    canvas[..., 3] = 1
    draw_sun(canvas, (76, 52))
    draw_peaks(canvas)
    polygon(canvas, [(20, 116), (180, 116), (180, 151), (20, 151)], (0.16, 0.42, 0.55))
    for y in (129.5, 132.5, 135.5):
        xs = np.arange(20, 181, 0.5)
        ys = y + 0.8 * np.sin(xs / 2.2 + y)
        stroke(canvas, list(zip(xs.tolist(), ys.tolist(), strict=True)), 0.7, (0.72, 0.86, 0.88))


def draw_sun(canvas: Image, centre: Point) -> None:
    """Draw the sun of the badge and its fine rays."""
    for angle in np.linspace(0, 2 * np.pi, 32, endpoint=False):
        away = (float(np.cos(angle)), float(np.sin(angle)))
        ray = [(centre[0] + r * away[0], centre[1] + r * away[1]) for r in (16, 120)]
        stroke(canvas, ray, 0.6, (0.99, 0.90, 0.68))
    disc(canvas, centre, 12, (1.0, 0.93, 0.72))


def draw_peaks(canvas: Image) -> None:
    """Draw the two snow-capped mountains of the badge, each facet one polygon."""
    facets: list[tuple[list[Point], Colour]] = [
        ([(20, 118), (66, 62), (110, 118)], (0.30, 0.42, 0.50)),
        ([(66, 62), (77, 76), (70, 74), (65, 80), (60, 75), (55, 76)], SNOW),
        ([(52, 118), (112, 30), (168, 118)], (0.36, 0.49, 0.57)),
        ([(112, 30), (168, 118), (118, 118), (108, 76), (116, 58)], NAVY),
        ([(112, 30), (96, 53.5), (103, 51), (107, 60), (114, 52), (112, 44)], SNOW),
        (
            [(112, 30), (112, 44), (114, 52), (121, 57), (124, 50), (128, 55)],
            (0.72, 0.82, 0.88),
        ),
    ]
    for corners, colour in facets:
        polygon(canvas, corners, colour)


def draw_ribbon(canvas: Image) -> None:
    """Draw the ribbon across the badge, with notched tails, fine lines and stars."""
    for side in (1, -1):
        tail = [(64, 109), (98, 109), (90, 119.5), (98, 130), (64, 130)]
        polygon(canvas, [(101.5 + side * x, y) for x, y in tail], (0.58, 0.16, 0.15))
        fold = [(64, 126), (78, 126), (64, 131)]
        polygon(canvas, [(101.5 + side * x, y) for x, y in fold], (0.33, 0.08, 0.09))
    polygon(canvas, [(23, 104), (180, 104), (180, 126), (23, 126)], (0.80, 0.24, 0.19))
    for y in (106.5, 123.5):
        stroke(canvas, [(23, y), (180, y)], 0.7, CREAM)
    for place in range(-2, 3):
        angles = np.arange(10) * np.pi / 5 - np.pi / 2
        radii = np.where(np.arange(10) % 2 == 0, 6.0, 2.6)
        xs, ys = 101.5 + 27 * place + radii * np.cos(angles), 115 + radii * np.sin(angles)
        polygon(canvas, list(zip(xs.tolist(), ys.tolist(), strict=True)), CREAM)


def make_badge() -> NDArray[np.uint8]:
    """Draw the badge much enlarged and shrink it, so that its edge is antialiased."""
    rows, cols = 151, 203
    canvas = np.zeros((rows * BADGE_SCALE, cols * BADGE_SCALE, 4), dtype=np.float32)
    centre = (101.5, 75.5)
    for angle in np.linspace(0, 2 * np.pi, 40, endpoint=False):
        knob = (centre[0] + 69 * float(np.cos(angle)), centre[1] + 69 * float(np.sin(angle)))
        disc(canvas, knob, 5.4, NAVY)
    for radius, colour in ((70, NAVY), (67, CREAM), (65.8, NAVY), (63.5, CREAM)):
        disc(canvas, centre, radius, colour)
    scene, window = np.zeros_like(canvas), np.zeros_like(canvas)
    draw_scene(scene)
    disc(window, centre, 61, CREAM)
    canvas = np.where(window[..., 3:] > 0, scene, canvas)
    draw_ribbon(canvas)
    small = np.asarray(cv2.resize(canvas, (cols, rows), interpolation=cv2.INTER_AREA))
    alpha = small[..., 3:]
    colours = np.divide(small[..., :3], alpha, out=np.zeros_like(small[..., :3]), where=alpha > 0)
    return to_bytes(np.concatenate([colours, alpha], axis=2))


# ---------------------------------------------------------------- files


def write_picture(name: str, picture: cv2.typing.MatLike, options: list[int]) -> None:
    """Encode a picture in OpenCV's channel order and write it beside this script."""
    done, data = cv2.imencode(Path(name).suffix, picture, options)
    if not done:
        raise OSError(f"could not encode {name}")
    (HERE / name).write_bytes(data.tobytes())


def write_text(name: str, text: str) -> None:
    """Write a text file with plain line ends beside this script."""
    (HERE / name).write_bytes(text.encode("ascii"))


def main() -> None:
    """Write every sample picture beside this script."""
    mountain = cv2.cvtColor(make_mountain(), cv2.COLOR_RGB2BGR)
    write_picture("mountain.jpg", mountain, [cv2.IMWRITE_JPEG_QUALITY, 90])
    write_text("lecture.pgm", plain_pgm(LECTURE, "4 x 4 example grid; edit the numbers freely"))
    write_text("lecture_noisy.pgm", plain_pgm(LECTURE_NOISY, "the example grid with some noise"))
    write_picture("depth16.png", make_depth(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    badge = cv2.cvtColor(make_badge(), cv2.COLOR_RGBA2BGRA)
    write_picture("badge.png", badge, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
