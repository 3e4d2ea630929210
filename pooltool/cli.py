"""The command line: words in, an exit status out.

Everything else is imported by the commands that need it, so that `--help` is quick.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import click

from pooltool import __version__
from pooltool.errors import PooltoolError
from pooltool.report import complain, redirect_to_devnull

if TYPE_CHECKING:
    from pooltool.geometry import AnyWindows, Pair

Method = Literal["max", "min", "avg"]

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
    "min": """Keep the smallest value of each window: dark lines.

    \b
    pooltool min scan.png                        scan_min.png, half as large
    pooltool min --pool-size 1x9 scan.png -o thick.png
    """,
}


class Option(click.Option):
    """An option that knows its section of the help."""

    def __init__(self, *names: str, section: str, **attributes: Any) -> None:
        super().__init__(names, **attributes)
        self.section = section


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


class FileName(click.Path):
    """The name of a file or directory: shells complete it, and it is not empty."""

    def __init__(self) -> None:
        super().__init__(readable=False, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty name."""
        if value == "":
            self.fail("the name is empty; check the variable that it comes from", param, ctx)
        return super().convert(value, param, ctx)


def read_size(text: str | Pair, at_least: int = 1, words: str = "") -> Pair:
    """Read `N` or `HEIGHTxWIDTH`, in pixels; `words` are what else could have been written."""
    if isinstance(text, tuple):
        return text
    match = re.fullmatch(r"(\d{1,9})(?:[xX](\d{1,9}))?", text, re.ASCII)
    if match and min(size := (int(match[1]), int(match[2] or match[1]))) >= at_least:
        return size
    raise click.BadParameter(
        f"{text!r} is not a whole number from {at_least} to 999999999 or HEIGHTxWIDTH; "
        f"write for example {words}2 or 2x3"
    )


def read_padding(text: str | Pair) -> str | Pair:
    """Read `valid`, `same`, or pixels on each side as `N` or `HEIGHTxWIDTH`."""
    if isinstance(text, str) and text.lower() in ("valid", "same"):
        return text.lower()
    return read_size(text, at_least=0, words="valid, same, ")


def read_format(text: str) -> str:
    """Check that the text names a format that can be written."""
    from pooltool.images.formats import format_for

    try:
        format_for(text)
    except PooltoolError as error:
        raise click.BadParameter(str(error)) from None
    return text


def read_panel_format(text: str) -> str:
    """Check that the text is `html` or names a format that can be written."""
    return text if text.lstrip(".").lower() == "html" else read_format(text)


def read_position(text: str | Pair) -> Pair:
    """Read `ROW,COLUMN`, counted from 0."""
    if isinstance(text, tuple):
        return text
    if match := re.fullmatch(r"(\d{1,9}),(\d{1,9})", text, re.ASCII):
        return int(match[1]), int(match[2])
    raise click.BadParameter(f"{text!r} is not ROW,COLUMN counted from 0; write for example 120,80")


def _frame(default: str) -> Option:
    return Option(
        "--frame",
        section=READ,
        metavar="N",
        type=click.IntRange(min=0),
        help=f"Only this frame or page, counted from 0.  [default: {default}]",
    )


def _output(text: str) -> Option:
    return Option("-o", "--output", section=WRITTEN, metavar="PATH", type=FileName(), help=text)


WINDOWS = "Windows (SIZE is N or HEIGHTxWIDTH, in pixels)"
READ, WRITTEN = "What is read", "What is written"
RUNNING, SHOWN = "How it runs", "What is shown"

WINDOW_OPTIONS = [
    Option(
        "--pool-size",
        section=WINDOWS,
        metavar="SIZE",
        type=read_size,
        help="Window, in pixels.  [default: 2]",
    ),
    Option(
        "--stride",
        section=WINDOWS,
        metavar="SIZE",
        type=read_size,
        help="Step from window to window, in pixels.  [default: the pool size]",
    ),
    Option(
        "--padding",
        section=WINDOWS,
        metavar="valid|same|SIZE",
        type=read_padding,
        help="Pixels around the image; none ever takes part in a max or min.  [default: valid]",
    ),
    Option(
        "--dilation",
        section=WINDOWS,
        metavar="SIZE",
        type=read_size,
        help="Step from pixel to pixel inside a window.  [default: 1]",
    ),
    Option("--ceil-mode", section=WINDOWS, is_flag=True, help="Keep the last, partial window."),
    Option(
        "--output-size",
        section=WINDOWS,
        metavar="SIZE",
        type=read_size,
        help="Pool to exactly this size (adaptive); excludes the options above.",
    ),
]
POOL_SIZES = Option(
    "--pool-size",
    section=WINDOWS,
    metavar="SIZE",
    type=read_size,
    multiple=True,
    help="Window, in pixels; given again, a row of the panel each.  [default: 2]",
)
COUNT_INCLUDE_PAD = Option(
    "--count-include-pad",
    section=WINDOWS,
    is_flag=True,
    help="avg: count padding as zeros in the mean.",
)
GRAY = Option("--gray", section=READ, is_flag=True, help="Read the image as grayscale.")
SHOW = Option(
    "--show", section=SHOWN, is_flag=True, help="Open a window with the image and the result."
)
AS_JSON = Option(
    "--json", "as_json", section=SHOWN, is_flag=True, help="Print JSON, an object a line."
)
BATCH_OPTIONS = [
    GRAY,
    _frame("all"),
    Option(
        "-r",
        "--recursive",
        section=READ,
        is_flag=True,
        help="Pool the images below directories, mirrored in -o; links to others are not followed.",
    ),
    Option(
        "--files-from",
        section=READ,
        metavar="FILE",
        type=FileName(),
        multiple=True,
        help="More image names, one a line; - reads them from stdin. May be given again.",
    ),
    Option("-0", "--null", section=READ, is_flag=True, help="Names in --files-from end with NUL."),
    _output("Write here: a file, a directory (also for several images), or - for stdout."),
    Option(
        "--format",
        section=WRITTEN,
        metavar="EXT",
        type=read_format,
        help="Write this format: png, tiff, npy, ...  [default: the image's]",
    ),
    Option(
        "--quality",
        section=WRITTEN,
        metavar="N",
        type=click.IntRange(0, 100),
        help="JPEG, WebP or AVIF quality, 0 to 100.",
    ),
    Option(
        "--skip-existing",
        section=WRITTEN,
        is_flag=True,
        help="Leave an image alone when its output exists and is not empty.",
    ),
    Option(
        "--dry-run",
        section=WRITTEN,
        is_flag=True,
        help="Print what would be read and written, skipped, or fail; write nothing.",
    ),
    Option(
        "-j",
        "--jobs",
        section=RUNNING,
        metavar="N",
        type=click.IntRange(min=1),
        help="Images pooled at once.  [default: every core]",
    ),
    Option("--scheduler", section=RUNNING, metavar="ADDRESS", help="Run on this Dask cluster."),
    SHOW,
    AS_JSON,
    Option("-q", "--quiet", section=SHOWN, is_flag=True, help="Print errors only."),
    Option(
        "--progress/--no-progress",
        section=SHOWN,
        default=None,
        help="A bar on stderr.  [default: on a terminal, when it takes time]",
    ),
]


def _take_windows(words: dict[str, Any]) -> list[AnyWindows]:
    """Take the options of the windows out of `words`; refuse those that exclude each other.

    There are several settings where `--pool-size` was given several times.
    """
    from pooltool.geometry import AdaptiveWindows, Windows

    given = {
        option: value
        for option in WINDOW_OPTIONS
        if (value := words.pop(str(option.name))) not in (None, False, ())
    }
    settings = {str(option.name): value for option, value in given.items()}
    output_size = settings.pop("output_size", None)
    if output_size is None:
        sizes = settings.pop("pool_size", (2, 2))
        several = sizes if isinstance(sizes[0], tuple) else (sizes,)
        return [Windows.of(size, **settings) for size in several]
    others = [option.opts[0] for option in given if option.name != "output_size"]
    others += COUNT_INCLUDE_PAD.opts if words.get("count_include_pad") else []
    if others:
        raise click.UsageError(f"{others[0]} and --output-size exclude each other; give one")
    return [AdaptiveWindows.of(output_size)]


def _pool(method: Method, images: tuple[str, ...], **words: Any) -> int:
    (windows,) = _take_windows(words)
    from pooltool import commands
    from pooltool.job import Settings
    from pooltool.kernels import Pooling

    pooling = Pooling(method, windows, words.pop("count_include_pad", False))
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
    """
    windows = _take_windows(words)
    from pooltool import commands

    return commands.compare(image, windows, **words)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
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
    _counted = [COUNT_INCLUDE_PAD] if _method == "avg" else []
    _images = click.Argument(["images"], nargs=-1, metavar="IMAGES...", type=FileName())
    _params = [_images, *WINDOW_OPTIONS, *_counted, *BATCH_OPTIONS]
    _command = partial(_pool, _method)
    cli.add_command(SectionedCommand(_method, callback=_command, params=_params, help=_help))
cli.add_command(
    SectionedCommand(
        "compare",
        callback=_compare,
        params=[
            click.Argument(["image"], type=FileName()),
            POOL_SIZES,
            *WINDOW_OPTIONS[1:],
            COUNT_INCLUDE_PAD,
            GRAY,
            _frame("the first"),
            _output("Write the panel here: a file or directory; a page to explore if .html."),
            Option(
                "--format",
                section=WRITTEN,
                metavar="EXT",
                type=read_panel_format,
                help="Write html, the page, or a picture format.  [default: png]",
            ),
            Option(
                "--detail",
                section=SHOWN,
                metavar="ROW,COLUMN",
                type=read_position,
                help="The pixel, counted from 0, whose surroundings the panel enlarges.",
            ),
            SHOW,
            AS_JSON,
        ],
        help=_compare.__doc__,
        short_help="Show and measure all three side by side.",
    )
)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line, that of the process when `words` is None; return its exit status."""
    try:
        return int(cli.main(words, prog_name="pooltool", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "pooltool"
        complain(f"{error.format_message()} (see `{command} --help`)")
    except PooltoolError as error:
        complain(str(error))
    except OSError as error:
        from pooltool import files

        redirect_to_devnull(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            complain(f"standard output: {files.reason(error)}")
        return 1
    return 2
