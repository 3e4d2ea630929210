"""The command line: words in, an exit status out.

Everything else is imported by the commands that need it, so that `--help` is quick.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from pooltool import __version__
from pooltool.errors import OTHER_NAMES, PooltoolError, one_line
from pooltool.report import complain, redirect_to_devnull

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from pooltool.geometry import AnyWindows, Pair
    from pooltool.kernels import Method

METHODS: dict[Method, str] = {
    "max": """Keep the largest value of each window: what stands out.

    \b
    pooltool max mountain.jpg                    mountain_max.jpg, half as large
    pooltool max -r photos -o pooled             a folder, mirrored below pooled
    cat a.png | pooltool max - > b.png           through a pipe
    """,
    "avg": """Keep the mean of each window: a smoother picture.

    \b
    pooltool avg mountain.jpg                    mountain_avg.jpg, half as large
    pooltool avg --pool-size 3 --stride 1 --padding same a.png -o smooth.png
    pooltool avg --output-size 224 *.png -o small/

    Means are exact and rounded half to even into the image's depth.
    """,
    "median": """Keep the median of each window: noise goes, edges stay.

    \b
    pooltool median --pool-size 3 --stride 1 --padding same a.png -o clean.png

    Of an even number of pixels it is the lower of the two in the middle.
    """,
    "mode": """Keep the most frequent value of each window: for labels.

    \b
    pooltool mode labels.png                     labels_mode.png, half as large

    A picture's colour is one label: no colour comes out that is not in the window. Of a picture
    with a palette it is the index, and the palette is kept. Of several that are most frequent, the
    smallest. The channels of a .npy array are pooled one by one.
    """,
    "min": """Keep the smallest value of each window: dark lines.

    \b
    pooltool min scan.png                        scan_min.png, half as large
    pooltool min --pool-size 1x9 scan.png -o thick.png
    """,
}


class Option(click.Option):
    """An option that knows its section of the help; `names` are as the help shows them."""

    def __init__(
        self,
        names: str,
        section: str,
        help: str,
        values: Callable[[], list[str]] | None = None,
        **attributes: Any,
    ) -> None:
        """`values` are what a shell completes, where the type does not tell them."""
        super().__init__(names.split(), help=help, **attributes)
        self.section, self.values = section, values

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What the option's value can be, as far as it is typed."""
        if self.values is None:
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem

        return [CompletionItem(v) for v in self.values() if v.startswith(incomplete.lower())]


class SectionedCommand(click.Command):
    """A command whose help lists its options section by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections in the order of their first options; `--help` comes last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record and isinstance(option, click.Option):
                sections.setdefault(getattr(option, "section", "Help"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


class Commands(click.Group):
    """The commands, which know what they are called elsewhere."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Refuse another name for a command with the right one."""
        if cmd_name in OTHER_NAMES and OTHER_NAMES[cmd_name] in self.commands:
            ctx.fail(f"No such command {cmd_name!r}; it is called {OTHER_NAMES[cmd_name]!r} here.")
        return super().get_command(ctx, cmd_name)


class FileName(click.Path):
    """The name of a file or directory: shells complete it, and it is not empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty name."""
        if value == "":
            self.fail("the name is empty; check the variable that it comes from", param, ctx)
        return super().convert(value, param, ctx)


def read_size(text: str, at_least: int = 1, words: str = "") -> Pair:
    """Read `N` or `HEIGHTxWIDTH`, in pixels; `words` are what else could have been written."""
    match = re.fullmatch(r"(\d{1,9})(?:[xX](\d{1,9}))?", text, re.ASCII)
    if match and min(size := (int(match[1]), int(match[2] or match[1]))) >= at_least:
        return size
    raise click.BadParameter(
        f"{text!r} is not a whole number from {at_least} to 999999999 or HEIGHTxWIDTH; "
        f"write for example {words}2 or 2x3"
    )


def read_padding(text: str) -> str | Pair:
    """Read `valid`, `same`, or pixels on each side as `N` or `HEIGHTxWIDTH`."""
    if text.lower() in ("valid", "same"):
        return text.lower()
    return read_size(text, at_least=0, words="valid, same, ")


def read_format(text: str) -> str:
    """Check that the text is the extension of a format that can be written."""
    from pooltool.images.formats import format_for

    try:
        format_for(text)
        if not text.removeprefix(".").isalnum():
            raise PooltoolError(f"{text!r} is not an extension; write for example png or tiff")
    except PooltoolError as error:
        raise click.BadParameter(str(error)) from None
    return text


def read_dtype(text: str) -> Any:
    """Check that the text names a dtype that holds means."""
    from pooltool.pooling import result_dtype

    try:
        return result_dtype(text)
    except PooltoolError:
        raise click.BadParameter(
            f"{text!r} is no numpy dtype that holds means; write for example float32 or uint16"
        ) from None


def format_names() -> list[str]:
    """An extension of every format that can be written."""
    from pooltool.images.formats import FORMATS

    return [format.extensions[0] for format in FORMATS if format.written]


def read_panel_format(text: str) -> str:
    """Check that the text is `html` or names a format that can be written."""
    return text if text.lstrip(".").lower() == "html" else read_format(text)


def read_position(text: str) -> Pair:
    """Read `ROW,COLUMN`, counted from 0."""
    if match := re.fullmatch(r"(\d{1,9}),(\d{1,9})", text, re.ASCII):
        return int(match[1]), int(match[2])
    raise click.BadParameter(f"{text!r} is not ROW,COLUMN counted from 0; write for example 120,80")


WINDOWS = "Windows (SIZE is N or HEIGHTxWIDTH, in pixels)"
READ, WRITTEN = "What is read", "What is written"
RUNNING, SHOWN = "How it runs", "What is shown"

DTYPES = [
    "float16",
    "float32",
    "float64",
    *(f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64)),
]
"""What shells complete for --dtype."""
FILE = FileName(readable=False, allow_dash=True)
SIZE: dict[str, Any] = {"metavar": "SIZE", "type": read_size}
FLAG: dict[str, Any] = {"is_flag": True}
NUMBER: dict[str, Any] = {"metavar": "N", "type": click.IntRange(min=0)}
PATH: dict[str, Any] = {"metavar": "PATH", "type": FILE}

WINDOW_OPTIONS = [
    Option("--pool-size", WINDOWS, "Window, in pixels.  [default: 2]", **SIZE),
    Option(
        "--stride", WINDOWS, "Step from window to window, in pixels.  [default: the pool size]",
        **SIZE,
    ),
    Option(
        "--padding", WINDOWS,
        "Pixels around the image; none ever takes part in a max or min.  [default: valid]",
        metavar="valid|same|SIZE", type=read_padding, values=lambda: ["valid", "same"],
    ),
    Option(
        "--dilation", WINDOWS, "Step from pixel to pixel inside a window.  [default: 1]", **SIZE,
    ),
    Option("--ceil-mode", WINDOWS, "Keep the last, partial window.", **FLAG),
    Option(
        "--output-size", WINDOWS,
        "Pool to exactly this size (adaptive); excludes the options above.", **SIZE,
    ),
]  # fmt: skip
COUNT_INCLUDE_PAD = Option(
    "--count-include-pad", WINDOWS, "avg: count padding as zeros in the mean.", **FLAG,
)  # fmt: skip
ALPHA_WEIGHTED = Option(
    "--alpha-weighted", WINDOWS,
    "Colours weigh as much as they are opaque; alpha is averaged as ever.", **FLAG,
)  # fmt: skip
SKIP_NAN = Option(
    "--skip-nan", WINDOWS, "NaN takes part in nothing; a window of NaN alone is NaN.", **FLAG,
)  # fmt: skip
DTYPE = Option(
    "--dtype", WRITTEN,
    "The result's numpy dtype, such as float32 for means that are not rounded.  "
    "[default: the image's]",
    metavar="NAME", type=read_dtype, values=lambda: DTYPES,
)  # fmt: skip
INDICES = Option(
    "--indices", WRITTEN,
    "Write here, a .npy, where each value lies: row * width + column.", **PATH,
)  # fmt: skip
METHOD_OPTIONS = {
    "max": [SKIP_NAN, INDICES],
    "min": [SKIP_NAN, INDICES],
    "median": [SKIP_NAN],
    "mode": [],
    "avg": [COUNT_INCLUDE_PAD, ALPHA_WEIGHTED, SKIP_NAN, DTYPE],
}
GRAY = Option("--gray", READ, "Read the image as grayscale.", **FLAG)
DATA_FORMAT = Option(
    "--data-format", READ, "How a .npy array lies.  [default: channels_last]",
    type=click.Choice(["channels_last", "channels_first"]),
)  # fmt: skip
SHOW = Option("--show", SHOWN, "Open a window with the image and the result.", **FLAG)
AS_JSON = Option("--json as_json", SHOWN, "Print JSON, an object a line.", **FLAG)
QUIET = Option("-q --quiet", SHOWN, "Print errors only, and what --json prints.", **FLAG)
FRAME = "Only this frame or page, counted from 0.  [default: {}]"
BATCH_OPTIONS = [
    GRAY,
    DATA_FORMAT,
    Option("--frame", READ, FRAME.format("all"), **NUMBER),
    Option(
        "-r --recursive", READ,
        "Pool the images below directories, mirrored in -o; links to others are not followed.",
        **FLAG,
    ),
    Option(
        "--files-from", READ,
        "More image names, one a line; - reads them from stdin. May be given again.",
        metavar="FILE", type=FILE, multiple=True,
    ),
    Option("-0 --null", READ, "Names in --files-from end with NUL.", **FLAG),
    Option(
        "-o --output", WRITTEN,
        "Write here: a file, a directory (also for several images), or - for stdout.", **PATH,
    ),
    Option(
        "--suffix", WRITTEN,
        "What a result's name has more than its image's; may be empty with -o DIR.  "
        "[default: _ and the command]",
        metavar="TEXT",
    ),
    Option(
        "--format", WRITTEN,
        "Write this format: png, tiff, npy, ...  [default: the image's; png for a GIF]",
        metavar="EXT", type=read_format, values=format_names,
    ),
    Option(
        "--quality", WRITTEN, "JPEG, WebP or AVIF quality, 0 to 100.",
        metavar="N", type=click.IntRange(0, 100),
    ),
    Option(
        "--skip-existing", WRITTEN, "Leave an image alone when its output exists and is not empty.",
        **FLAG,
    ),
    Option(
        "--dry-run", WRITTEN,
        "Print what would be read and written, skipped, or fail, as far as names, formats and "
        "places tell; read no image, write nothing.", **FLAG,
    ),
    Option(
        "-j --jobs", RUNNING, "Images pooled at once, at the most.  [default: every core]",
        metavar="N", type=click.IntRange(min=1),
    ),
    Option("--scheduler", RUNNING, "Run on this Dask cluster.", metavar="ADDRESS"),
    SHOW,
    AS_JSON,
    QUIET,
    Option(
        "--progress/--no-progress", SHOWN,
        "A bar on stderr.  [default: on a terminal, when it takes time]", default=None,
    ),
]  # fmt: skip
COMPARE_OPTIONS = [
    Option(
        "--pool-size", WINDOWS, "Window, in pixels; given again, a row each.  [default: 2]",
        multiple=True, **SIZE,
    ),
    *WINDOW_OPTIONS[1:],
    COUNT_INCLUDE_PAD,
    GRAY,
    DATA_FORMAT,
    Option("--frame", READ, FRAME.format("the first"), **NUMBER),
    Option(
        "-o --output", WRITTEN,
        "Write the panel here: a file or directory; a page to explore if .html.", **PATH,
    ),
    Option(
        "--format", WRITTEN, "Write html, the page, or a picture format.  [default: png]",
        metavar="EXT", type=read_panel_format, values=lambda: ["html", *format_names()],
    ),
    Option(
        "--detail", SHOWN,
        "The pixel, counted from 0, whose surroundings the panel enlarges.",
        metavar="ROW,COLUMN", type=read_position,
    ),
    SHOW,
    AS_JSON,
    QUIET,
]  # fmt: skip


def _take_windows(words: dict[str, Any]) -> list[AnyWindows]:
    """Take the options of the windows out of `words`; refuse those that exclude each other.

    There are several settings where `--pool-size` was given several times.
    """
    from pooltool.geometry import AdaptiveWindows, Windows

    given: dict[str, Any] = {}
    for option in WINDOW_OPTIONS:
        value = words.pop(str(option.name))
        if value not in (None, False, ()):
            given[option.opts[0]] = value
    output_size = given.pop("--output-size", None)
    if output_size is not None:
        others = [*given, *(COUNT_INCLUDE_PAD.opts if words.get("count_include_pad") else ())]
        if others:
            raise click.UsageError(f"{others[0]} and --output-size exclude each other; give one")
        return [AdaptiveWindows.of(output_size)]
    sizes = given.pop("--pool-size", (2, 2))
    settings = {option[2:].replace("-", "_"): value for option, value in given.items()}
    several = sizes if isinstance(sizes[0], tuple) else (sizes,)
    return [Windows.of(size, **settings) for size in several]


def _pool(method: Method, images: tuple[str, ...], **words: Any) -> int:
    (windows,) = _take_windows(words)
    from pooltool import commands
    from pooltool.job import Settings
    from pooltool.kernels import Pooling

    names = ("count_include_pad", "dtype", "skip_nan")
    pooling = Pooling(method, windows, **{name: words.pop(name) for name in names if name in words})
    return commands.pool_images(images, Settings(pooling, **words))


def _compare(image: str, **words: Any) -> int:
    """Measure and picture what max, min and average pooling make of IMAGE.

    \b
    pooltool compare mountain.jpg --pool-size 8   writes mountain_compare.png
    pooltool compare lecture.pgm                  a small image also as numbers
    pooltool compare a.png --pool-size 2 --pool-size 4    a row of the panel each
    pooltool compare a.png -o page.html           a page to explore, for any browser

    The panel shows the image and its three poolings, each value where its window lies; the page
    lets you slide the windows yourself. The table gives, for the image and each pooling, mean and
    standard deviation and three figures:

    noise: how much of a faint random noise is still there. 1 is all of it; the average halves it
    with each doubling of the window.

    bias: how far that noise alone moves the result, in units of the noise: up with max, down with
    min, 0 with avg. It is the price of keeping the largest.

    shift: how much of its own contrast a picture changes by when it moves one pixel. Compare it
    with that of the input: where it is less, small changes of the input change little.

    All are of colours, without alpha; of images above 1200 pixels a side noise, bias and shift are
    of the centre. NaN and infinity are left out. A dash stands where there is nothing to measure.
    Where alpha varies, `weighted` is the average whose colours weigh as much as they are opaque.
    """
    windows = _take_windows(words)
    from pooltool import commands

    return commands.compare(image, windows, **words)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Pool images the way a convolutional network does.

    A window slides over the image and leaves one value for all the pixels in it: their largest,
    their mean or their smallest. Windows of 2x2 pixels halve an image.

    \b
    pooltool max mountain.jpg                     writes mountain_max.jpg
    pooltool avg --pool-size 3 --stride 2 *.png -o pooled/
    pooltool compare mountain.jpg --pool-size 8   all three side by side

    Exit status: 0 done, 1 an image failed, 2 wrong usage and nothing written. An interrupted
    run ends by the signal itself, for which shells report 130 (143 SIGTERM, 129 SIGHUP).
    """


for _method, _help in METHODS.items():
    _images = click.Argument(["images"], nargs=-1, metavar="IMAGES...", type=FILE)
    _params = [_images, *WINDOW_OPTIONS, *METHOD_OPTIONS[_method], *BATCH_OPTIONS]
    _command = partial(_pool, _method)
    cli.add_command(SectionedCommand(_method, callback=_command, params=_params, help=_help))
cli.add_command(
    SectionedCommand(
        "compare",
        callback=_compare,
        params=[click.Argument(["image"], type=FILE), *COMPARE_OPTIONS],
        help=_compare.__doc__,
        short_help="Show and measure all three side by side.",
    )
)


def _hint(error: click.UsageError) -> str:
    """Where an option belongs that is known by another name or elsewhere; else nothing."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return ""
    name = error.option_name.lstrip("-").replace("-", "_")
    name = f"--{OTHER_NAMES.get(name, name)}".replace("_", "-")
    owners = [
        command.name
        for command in cli.commands.values()
        if any(name in option.opts for option in command.params)
    ]
    if not owners:
        return ""
    where = f"it is called {name} here"
    if error.ctx.command is cli:
        where = f"write `pooltool {owners[0]} {name}`, after the command"
    elif error.ctx.command.name not in owners:
        where = f"{name} is for {', '.join(map(str, owners))}"
    return f"No such option {error.option_name!r}; {where}."


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line, that of the process when `words` is None; return its exit status."""
    try:
        return int(cli.main(words, prog_name="pooltool", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "pooltool"
        complain(f"{_hint(error) or error.format_message()} (see `{command} --help`)")
    except PooltoolError as error:
        complain(one_line(error))
    except OSError as error:
        from pooltool import files

        redirect_to_devnull(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            complain(f"standard output: {files.reason(error)}")
        return 1
    except Exception as error:
        complain(one_line(error))
        return 1
    return 2
