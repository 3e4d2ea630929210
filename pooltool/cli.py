"""The command line: words in, one line an image and an exit status out.

Everything else is imported by the commands that need it, so that `--help` is quick.
"""

from __future__ import annotations

import gc
import io
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from pooltool import __version__
from pooltool.errors import Interrupted, PooltoolError
from pooltool.messages import abandon, complain

if TYPE_CHECKING:
    from pooltool.geometry import AnyWindows, Pair

Command = TypeVar("Command", bound=Callable[..., Any])
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


class SectionedCommand(click.Command):
    """A command whose help lists its options in groups of meaning."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section a group."""
        options = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        left = {option.name: option for option in options}
        for title, names in SECTIONS.items():
            chosen = [left.pop(name) for name in names if name in left]
            self._write_section(title, chosen, ctx, formatter)
        self._write_section("Help", list(left.values()), ctx, formatter)

    @staticmethod
    def _write_section(
        title: str,
        options: list[click.Option],
        ctx: click.Context,
        formatter: click.HelpFormatter,
    ) -> None:
        records = [record for option in options if (record := option.get_help_record(ctx))]
        if records:
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


def read_extension(text: str) -> str:
    """Check that the text names a format that can be written."""
    from pooltool.images.formats import format_for

    try:
        format_for(text)
    except PooltoolError as error:
        raise click.BadParameter(str(error)) from None
    return text


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Make one decorator of several, so that commands that share options share their text."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


window_options = _options(
    click.option(
        "--pool-size",
        metavar="SIZE",
        type=read_size,
        help="Window, in pixels.  [default: 2]",
    ),
    click.option(
        "--stride",
        metavar="SIZE",
        type=read_size,
        help="Step from window to window, in pixels.  [default: the pool size]",
    ),
    click.option(
        "--padding",
        metavar="valid|same|SIZE",
        type=read_padding,
        help="Pixels around the image; none ever takes part in a max or min.  [default: valid]",
    ),
    click.option(
        "--dilation",
        metavar="SIZE",
        type=read_size,
        help="Step from pixel to pixel inside a window.  [default: 1]",
    ),
    click.option("--ceil-mode", is_flag=True, help="Keep the last, partial window."),
    click.option(
        "--output-size",
        metavar="SIZE",
        type=read_size,
        help="Pool to exactly this size (adaptive); excludes the options above.",
    ),
)

gray_option = click.option("--gray", is_flag=True, help="Read the image as grayscale.")


def _frame_option(default: str) -> Callable[[Command], Command]:
    return click.option(
        "--frame",
        metavar="N",
        type=click.IntRange(min=0),
        help=f"Only this frame or page, counted from 0.  [default: {default}]",
    )


result_options = _options(
    click.option(
        "-o",
        "--output",
        metavar="PATH",
        type=FileName(),
        help="Write here: a file, a directory (also for several images), or - for stdout.",
    ),
    click.option(
        "--format",
        "extension",
        metavar="EXT",
        type=read_extension,
        help="Write this format: png, tiff, npy, ...  [default: the image's]",
    ),
    click.option(
        "--quality",
        metavar="N",
        type=click.IntRange(0, 100),
        help="JPEG, WebP or AVIF quality, 0 to 100.",
    ),
)

show_option = click.option(
    "--show", is_flag=True, help="Open a window with the image and the result."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, an object a line.")
count_include_pad_option = click.option(
    "--count-include-pad", is_flag=True, help="avg: count padding as zeros in the mean."
)

batch_options = _options(
    click.option(
        "-r",
        "--recursive",
        is_flag=True,
        help="Pool the images below directories, mirrored in -o; links to others are not followed.",
    ),
    click.option(
        "--files-from",
        metavar="FILE",
        type=FileName(),
        multiple=True,
        help="More image names, one a line; - reads them from stdin. May be given again.",
    ),
    click.option("-0", "--null", is_flag=True, help="Names in --files-from end with NUL."),
    click.option(
        "--skip-existing", is_flag=True, help="Leave an image alone when its output exists."
    ),
    click.option(
        "-j",
        "--jobs",
        metavar="N",
        type=click.IntRange(min=1),
        help="Images pooled at once.  [default: every core]",
    ),
    click.option("--scheduler", metavar="ADDRESS", help="Run on this Dask cluster."),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Print what would be read and written, skipped, or fail; write nothing.",
    ),
    json_option,
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    click.option(
        "--progress/--no-progress",
        default=None,
        help="A bar on stderr.  [default: on a terminal, when it takes time]",
    ),
)


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

    Exit status: 0 done, 1 an image failed, 2 wrong usage and nothing written, 130
    interrupted (143 by SIGTERM, 129 by SIGHUP).
    """


def read_windows(
    pool_size: Pair | None,
    stride: Pair | None,
    padding: Any,
    dilation: Pair | None,
    ceil_mode: bool,
    count_include_pad: bool,
    output_size: Pair | None,
) -> AnyWindows:
    """Turn the window options into settings; refuse those that exclude each other."""
    from pooltool.geometry import AdaptiveWindows, Windows

    if output_size is None:
        return Windows.of(pool_size or 2, stride, padding or "valid", dilation or 1, ceil_mode)
    others = {
        "--pool-size": pool_size, "--stride": stride, "--padding": padding,
        "--dilation": dilation, "--ceil-mode": ceil_mode or None,
        "--count-include-pad": count_include_pad or None,
    }  # fmt: skip
    for option, value in others.items():
        if value is not None:
            raise click.UsageError(f"{option} and --output-size exclude each other; give one")
    return AdaptiveWindows.of(output_size)


def _pool_command(method: Method, summary: str) -> click.Command:
    counted = _options(*([count_include_pad_option] if method == "avg" else []))

    @click.command(method, cls=SectionedCommand, help=summary)
    @window_options
    @counted
    @gray_option
    @_frame_option("all")
    @result_options
    @show_option
    @batch_options
    @click.argument("images", nargs=-1, metavar="IMAGES...", type=FileName())
    def command(count_include_pad: bool = False, **words: Any) -> int:
        windows = read_windows(count_include_pad=count_include_pad, **_take(words, WINDOW_WORDS))
        from pooltool import console
        from pooltool.runs.pool_file import Settings

        settings = Settings(method, windows, count_include_pad, **_take(words, SETTINGS_WORDS))
        selection = console.Selection(**_take(words, SELECTION_WORDS))
        return console.pool_images(settings, selection, console.Running(**words))

    return command


@click.command(cls=SectionedCommand, short_help="Show and measure all three side by side.")
@window_options
@_options(count_include_pad_option)
@gray_option
@_frame_option("the first")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    type=FileName(),
    help="Write the panel here: a file or directory.",
)
@show_option
@json_option
@click.argument("image", type=FileName())
def compare(count_include_pad: bool, **words: Any) -> int:
    """Measure and picture what max, min and average pooling make of IMAGE.

    \b
    pooltool compare mountain.jpg --pool-size 8   writes mountain_compare.png
    pooltool compare lecture.pgm                  a small image also as numbers

    The panel shows the image and its three poolings side by side. The table gives for each its
    mean and standard deviation, and two figures between 0 and about 1:

    noise: how much of a faint random noise, 2 % of the range, is still there after pooling. 0.25
    means that pooling leaves a quarter of it; above 1, pooling makes it stronger.

    shift: how much the result changes when the image moves one pixel to the left, beside how much
    the image itself changes. 0.3 means: less than a third.

    Both are of colours, without alpha; of images above 1200 pixels a side they are of the centre.
    NaN and infinity are left out of every figure. A dash stands where there is none: the shift of
    an image of one color, or of one that is no wider than a window.
    """
    windows = read_windows(count_include_pad=count_include_pad, **_take(words, WINDOW_WORDS))
    from pooltool import console

    return console.compare(console.Comparing(**words), windows, count_include_pad)


WINDOW_WORDS = ("pool_size", "stride", "padding", "dilation", "ceil_mode", "output_size")
SETTINGS_WORDS = ("gray", "frame", "quality", "skip_existing", "show")
SELECTION_WORDS = ("images", "files_from", "null", "recursive", "output", "extension")
SECTIONS = {
    "Windows (SIZE is N or HEIGHTxWIDTH, in pixels)": (*WINDOW_WORDS, "count_include_pad"),
    "What is read": ("gray", "frame", "recursive", "files_from", "null"),
    "What is written": ("output", "extension", "quality", "skip_existing", "dry_run"),
    "How it runs": ("jobs", "scheduler"),
    "What is shown": ("show", "as_json", "quiet", "progress"),
}


def _take(words: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Take the named words out of all that were given."""
    return {name: words.pop(name) for name in names}


for _method, _summary in METHODS.items():
    cli.add_command(_pool_command(_method, _summary))
cli.add_command(compare)


def main() -> int:
    """Run the command line; return its exit status.

    0 done, 1 an image failed, 2 wrong usage, 130, 143 or 129 interrupted.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # halves the time numpy takes to load
    _occupy_closed_streams()
    gc.disable()  # until the modules are loaded, which makes much and leaves no garbage
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")  # names that are not UTF-8
    try:
        status = cli.main(prog_name="pooltool", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "pooltool"
        return _refuse(f"{error.format_message()} (see `{command} --help`)")
    except PooltoolError as error:
        return _refuse(str(error))
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Interrupted as error:
        return error.status
    except OSError as error:
        from pooltool import files

        abandon(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            _refuse(f"standard output: {files.reason(error)}")
        return 1
    return status if isinstance(status, int) else 0


def _occupy_closed_streams() -> None:
    """Open what the program was started without, so that no image gets the number of a stream."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stderr = sys.stderr or os.fdopen(2, "w")


def _refuse(message: str) -> int:
    """Say in one line why nothing was done."""
    complain(message)
    return 2
