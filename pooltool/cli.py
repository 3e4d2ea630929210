"""The command line: words in, an exit status out.

Everything else is imported by the commands that need it, so that `--help` is quick.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from pooltool import __version__
from pooltool.errors import OTHER_NAMES, PooltoolError, one_line, quoted
from pooltool.report import complain, redirect_to_devnull

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from pooltool.geometry import AnyWindows, Pair
    from pooltool.kernels import Method

METHODS: dict[Method, str] = {
    "max": """Keep the largest value of each window (bright details).

    \b
    pooltool max mountain.jpg                    writes mountain_max.jpg, half as large
    pooltool max -r photos -o pooled             a folder, mirrored below pooled
    cat a.png | pooltool max - > b.png           through a pipe
    """,
    "avg": """Replace each window by its mean (a smoother image).

    \b
    pooltool avg mountain.jpg                    writes mountain_avg.jpg, half as large
    pooltool avg --pool-size 3 --stride 1 --padding same a.png -o smooth.png
    pooltool avg --output-size 224 *.png -o small/

    Means are exact; they are rounded half to even to the image's dtype.
    """,
    "median": """Keep the median of each window (removes noise, keeps edges).

    \b
    pooltool median --pool-size 3 --stride 1 --padding same a.png -o clean.png

    For an even number of pixels it is the lower of the two middle values.
    """,
    "mode": """Keep the most frequent value of each window (for label images).

    \b
    pooltool mode labels.png                     writes labels_mode.png, half as large

    Each color is one label, so no color is created that was not in the window. If the image has a
    palette, the label is the index, and the palette is kept. If several labels are equally
    frequent, the smallest is kept. The channels of a .npy array are pooled independently.
    """,
    "min": """Keep the smallest value of each window (dark details).

    \b
    pooltool min scan.png                        writes scan_min.png, half as large
    pooltool min --pool-size 1x9 scan.png -o thick.png
    """,
}


class Option(click.Option):
    """An option that knows its section of the help; `names` are as the help shows them."""

    def __init__(self, names: str, section: str, help: str, **attributes: Any) -> None:
        super().__init__(names.split(), help=help, **attributes)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose help lists its options section by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections in their order; `--help` comes last."""
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in SECTIONS}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record and isinstance(option, click.Option):
                sections[getattr(option, "section", HELP)].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Commands(click.Group):
    """The commands: in any case, and with an answer to other names and to a missing one."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command; fail with the right words where an image or another name stands."""
        name = cmd_name.lower()
        if name in self.commands:
            return self.commands[name]
        if OTHER_NAMES.get(name) in self.commands:
            ctx.fail(f"No such command {cmd_name!r}; it is called {OTHER_NAMES[name]!r} here.")
        if "." in name or os.path.lexists(cmd_name):
            ctx.fail(f"name a method first: pooltool max {quoted(cmd_name)}")
        return None


def file_names(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Have the shell complete the name of a file or directory."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(typed, type="file")]


def completing(values: Callable[[], list[str]]) -> Callable[..., list[str]]:
    """Have the shell complete one of these values."""
    return lambda ctx, param, typed: [v for v in values() if v.startswith(typed.lower())]


def read_name(text: str) -> str:
    """Refuse the empty name of a file or directory."""
    if not text:
        raise click.BadParameter("the name is empty; check the variable that it comes from")
    return text


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
    except PooltoolError as error:
        raise click.BadParameter(str(error)) from None
    if not text.removeprefix(".").isalnum():  # a part of a path
        raise click.BadParameter(f"{text!r} is not an extension; write for example png or tiff")
    return text


def read_panel_format(text: str) -> str:
    """Check that the text is `html` or the extension of a format that can be written."""
    return text if text.lstrip(".").lower() == "html" else read_format(text)


def format_names() -> list[str]:
    """An extension of every format that can be written."""
    from pooltool.images.formats import FORMATS

    return [format.extensions[0] for format in FORMATS if format.written]


def read_dtype(text: str) -> Any:
    """Check that the text names a dtype that holds means."""
    from pooltool.pooling import result_dtype

    try:
        return result_dtype(text)
    except PooltoolError:
        raise click.BadParameter(
            f"{text!r} is not a numpy dtype that can hold means; "
            "write for example float32 or uint16"
        ) from None


def read_position(text: str) -> Pair:
    """Read `ROW,COLUMN`, counted from 0."""
    if match := re.fullmatch(r"(\d{1,9}),(\d{1,9})", text, re.ASCII):
        return int(match[1]), int(match[2])
    raise click.BadParameter(f"{text!r} is not ROW,COLUMN counted from 0; write for example 120,80")


WINDOWS = "Windows (SIZE is N or HEIGHTxWIDTH, in pixels)"
READ, WRITTEN, RUNNING, SHOWN, HELP = "Input", "Output", "Execution", "Display", "Help"
SECTIONS = (WINDOWS, READ, WRITTEN, RUNNING, SHOWN, HELP)

SIZE: dict[str, Any] = {"metavar": "SIZE", "type": read_size}
FLAG: dict[str, Any] = {"is_flag": True}
NUMBER: dict[str, Any] = {"metavar": "N", "type": click.IntRange(min=0)}
FILE: dict[str, Any] = {"type": read_name, "shell_complete": file_names}
PATH: dict[str, Any] = {"metavar": "PATH", **FILE}
DTYPES = ["float16", "float32", "float64", "uint8", "int8", "uint16", "int16", "uint32", "int32",
          "uint64", "int64"]  # fmt: skip

POOL_SIZE = Option("--pool-size", WINDOWS, "Window size.  [default: 2]", **SIZE)
POOL_SIZES = Option(
    "--pool-size", WINDOWS,
    "Window size; repeat it to compare several.  [default: 2; 8 for the page of a photograph]",
    multiple=True, **SIZE,
)  # fmt: skip
STRIDE = Option("--stride", WINDOWS, "Step between windows.  [default: the pool size]", **SIZE)
DILATION = Option(
    "--dilation", WINDOWS, "Step between the pixels of a window.  [default: 1]", **SIZE,
)  # fmt: skip
CEIL_MODE = Option("--ceil-mode", WINDOWS, "Keep the last, partial window.", **FLAG)
OUTPUT_SIZE = Option(
    "--output-size", WINDOWS,
    "Pool to exactly this size (adaptive pooling); excludes the options above.", **SIZE,
)  # fmt: skip


def window_options(padding: str, pool_size: Option = POOL_SIZE) -> list[Option]:
    """The options of the windows; `padding` says what padding is to the method."""
    option = Option(
        "--padding", WINDOWS, f"Padding around the image; {padding}.  [default: valid (none)]",
        metavar="valid|same|SIZE", type=read_padding,
        shell_complete=completing(lambda: ["valid", "same"]),
    )  # fmt: skip
    return [pool_size, STRIDE, option, DILATION, CEIL_MODE, OUTPUT_SIZE]


WINDOW_NAMES = ("pool_size", "stride", "padding", "dilation", "ceil_mode", "output_size")
COUNT_INCLUDE_PAD = Option(
    "--count-include-pad", WINDOWS, "Count padding as zeros in the mean.", **FLAG,
)  # fmt: skip
SKIP_NAN = Option(
    "--skip-nan", WINDOWS, "Ignore NaN; a window that holds only NaN gives NaN.", **FLAG,
)  # fmt: skip
INDICES = Option(
    "--indices", WRITTEN,
    "Also write the position of each value, row * width + column, to this .npy file.", **PATH,
)  # fmt: skip
METHOD_OPTIONS = {
    "max": [*window_options("it is never the maximum"), SKIP_NAN, INDICES],
    "min": [*window_options("it is never the minimum"), SKIP_NAN, INDICES],
    "median": [*window_options("it is not part of the median"), SKIP_NAN],
    "mode": window_options("it is never the most frequent value"),
    "avg": [
        *window_options("it does not count in the mean, unless --count-include-pad is given"),
        COUNT_INCLUDE_PAD,
        Option(
            "--alpha-weighted", WINDOWS,
            "Weight colors by their opacity; alpha itself is averaged without weights.", **FLAG,
        ),
        SKIP_NAN,
        Option(
            "--dtype", WRITTEN,
            "numpy dtype of the result, such as float32 for means that are not rounded.  "
            "[default: the image's]",
            metavar="NAME", type=read_dtype, shell_complete=completing(lambda: DTYPES),
        ),
    ],
}  # fmt: skip
GRAY = Option("--gray", READ, "Read the image as grayscale.", **FLAG)
DATA_FORMAT = Option(
    "--data-format", READ, "Axis order of a .npy array.  [default: channels_last]",
    type=click.Choice(["channels_last", "channels_first"]),
)  # fmt: skip
FRAME = "Read only this frame or page, counted from 0.  [default: {}]"
SHOW = Option("--show", SHOWN, "Open a window with the image and the result.", **FLAG)
AS_JSON = Option("--json as_json", SHOWN, "Print JSON, one object a line.", **FLAG)
QUIET = Option("-q --quiet", SHOWN, "Print only errors, and JSON if --json is given.", **FLAG)
BATCH_OPTIONS = [
    GRAY,
    DATA_FORMAT,
    Option("--frame", READ, FRAME.format("all"), **NUMBER),
    Option(
        "-r --recursive", READ,
        "Pool the images below directories, mirrored below -o DIR; symbolic links to directories "
        "are not followed.",
        **FLAG,
    ),
    Option(
        "--files-from", READ,
        "Read more image names from this file, one a line; - is standard input. May be repeated.",
        metavar="FILE", multiple=True, **FILE,
    ),
    Option("-0 --null", READ, "Names in --files-from end with NUL.", **FLAG),
    Option(
        "-o --output", WRITTEN,
        "Write to this file, to this directory (also for several images), or - for standard "
        "output.", **PATH,
    ),
    Option(
        "--suffix", WRITTEN,
        "Text appended to the input's base name; may be empty with -o DIR.  "
        "[default: _ and the command]",
        metavar="TEXT",
    ),
    Option(
        "--format", WRITTEN,
        "Write this format: png, tiff, npy, ...  [default: the image's; png for a GIF]",
        metavar="EXT", type=read_format, shell_complete=completing(format_names),
    ),
    Option(
        "--quality", WRITTEN, "JPEG, WebP or AVIF quality, 0 to 100.",
        metavar="N", type=click.IntRange(0, 100),
    ),
    Option(
        "--skip-existing", WRITTEN, "Skip an image whose output exists and is not empty.", **FLAG,
    ),
    Option(
        "--dry-run", WRITTEN,
        "Print what would be read, written or skipped; read no image and write nothing.", **FLAG,
    ),
    Option(
        "-j --jobs", RUNNING, "Maximum number of images in parallel.  [default: every core]",
        metavar="N", type=click.IntRange(min=1),
    ),
    Option("--scheduler", RUNNING, "Run on the Dask cluster at this address.", metavar="ADDRESS"),
    SHOW,
    AS_JSON,
    QUIET,
    Option(
        "--progress/--no-progress", SHOWN,
        "Show a progress bar on stderr.  [default: on a terminal, after a second]", default=None,
    ),
]  # fmt: skip
COMPARE_OPTIONS = [
    *window_options("it is never a maximum or minimum", POOL_SIZES),
    COUNT_INCLUDE_PAD,
    GRAY,
    DATA_FORMAT,
    Option("--frame", READ, FRAME.format("the first"), **NUMBER),
    Option(
        "-o --output", WRITTEN,
        "Write the panel to this file or directory; a name in .html makes a page to explore.",
        **PATH,
    ),
    Option(
        "--format", WRITTEN, "Write html, the page, or a picture format.  [default: png]",
        metavar="EXT", type=read_panel_format,
        shell_complete=completing(lambda: ["html", *format_names()]),
    ),
    Option(
        "--detail", SHOWN,
        "Enlarge the surroundings of this pixel in the panel, counted from 0.",
        metavar="ROW,COLUMN", type=read_position,
    ),
    SHOW,
    AS_JSON,
    QUIET,
]  # fmt: skip


def _windows(words: dict[str, Any]) -> list[AnyWindows]:
    """The windows that the options describe, one setting for each `--pool-size`; refuse what
    `--output-size` excludes.
    """
    from pooltool.geometry import AdaptiveWindows, Windows

    settings = {name: words[name] for name in WINDOW_NAMES if words[name]}
    output_size = settings.pop("output_size", None)
    if output_size is None:
        sizes = settings.pop("pool_size", (2, 2))
        several = sizes if isinstance(sizes[0], tuple) else [sizes]
        return [Windows.of(size, **settings) for size in several]
    for option in click.get_current_context().command.params:
        if option.name in settings or (option is COUNT_INCLUDE_PAD and words[option.name]):
            option_name = option.opts[0]
            raise click.UsageError(f"{option_name} and --output-size exclude each other; give one")
    return [AdaptiveWindows.of(output_size)]


def _pool(method: Method, images: tuple[str, ...], **words: Any) -> int:
    (windows,) = _windows(words)
    from pooltool import commands
    from pooltool.job import Settings
    from pooltool.kernels import Pooling

    names = ("count_include_pad", "dtype", "skip_nan")
    pooling = Pooling(method, windows, **{name: words[name] for name in names if name in words})
    rest = {name: words[name] for name in words if name not in (*WINDOW_NAMES, *names)}
    return commands.pool_images(images, Settings(pooling, **rest))


def _compare(images: tuple[str, ...], **words: Any) -> int:
    """Show and measure what max, min and average pooling do to IMAGE.

    \b
    pooltool compare mountain.jpg --pool-size 8   writes mountain_compare.png
    pooltool compare lecture.pgm                  a small image also as numbers
    pooltool compare a.png --pool-size 2 --pool-size 4    one row of the panel for each
    pooltool compare a.png -o page.html           a page to explore, for any browser

    The panel shows the image and its three poolings, each value where its window lies. On the page
    you move the windows yourself; that of a photograph begins with 8x8 windows. The table lists,
    for the image and for each pooling, mean, standard deviation and three figures:

    noise: the part of a faint random noise, 2% of the image's range, that remains. 1 is all of it;
    the average halves it each time the window size doubles.

    bias: how far this noise alone shifts the result, in units of the noise: up with max, down with
    min, not with avg. It is the price of keeping the largest value.

    shift: how much the image changes when it is moved by one pixel, in units of its own contrast.
    A figure below that of the input means that small movements matter less after pooling.

    All figures are of colors, without alpha. If the image has more than 1200 rows or columns,
    noise, bias and shift are those of its center. NaN and infinity are left out. A dash means that
    there is nothing to measure. If alpha varies, `weighted` is the average with colors weighted by
    their opacity.
    """
    if len(images) > 1:
        is_there = os.path.lexists(images[1])
        there = "" if is_there else f"; to write there: -o {quoted(images[1])}"
        raise click.UsageError(f"compare takes one image{there}")
    is_given = any(words[name] for name in WINDOW_NAMES)
    windows = _windows(words) if is_given else []
    from pooltool import commands

    rest = {name: words[name] for name in words if name not in WINDOW_NAMES}
    return commands.compare(images[0], commands.Comparison(windows, **rest))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Pool images as a convolutional network does.

    A window slides over the image, and each position gives one value: the largest, the mean or the
    smallest of the pixels in it. Windows of 2x2 pixels halve an image.

    \b
    pooltool max mountain.jpg                     writes mountain_max.jpg
    pooltool avg --pool-size 3 --stride 2 *.png -o pooled/
    pooltool compare mountain.jpg --pool-size 8   max, min and average side by side

    Exit status: 0 success, 1 an image failed, 2 wrong usage and nothing was written. An
    interrupted run ends by the signal itself, which shells report as 130 (SIGTERM 143, SIGHUP
    129).
    """


for _method, _help in METHODS.items():
    _images = click.Argument(["images"], nargs=-1, metavar="IMAGES...", **FILE)
    _params = [_images, *METHOD_OPTIONS[_method], *BATCH_OPTIONS]
    _command = partial(_pool, _method)
    cli.add_command(SectionedCommand(_method, callback=_command, params=_params, help=_help))
_image = click.Argument(["images"], nargs=-1, required=True, metavar="IMAGE", **FILE)
cli.add_command(
    SectionedCommand(
        "compare",
        callback=_compare,
        params=[_image, *COMPARE_OPTIONS],
        help=_compare.__doc__,
        short_help="Compare max, min and average pooling of an image.",
    )
)


def _hint(error: click.UsageError, words: Sequence[str]) -> str:
    """Where an unknown option belongs, if it has another name or is elsewhere; else nothing."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return ""
    for word in words:
        if re.match(r"-[^-].*\.[^\W\d]\w*$", word) or (word[:1] == "-" and os.path.lexists(word)):
            return f"No such option {error.option_name!r}; if it is a file: -- {quoted(word)}"
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
    words = sys.argv[1:] if words is None else words
    try:
        return int(cli.main(words, prog_name="pooltool", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "pooltool"
        complain(f"{_hint(error, words) or error.format_message()} (see `{command} --help`)")
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
