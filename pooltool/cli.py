"""The command line: words in, an exit status out.

Everything else is imported by the commands that need it, so that `--help` is quick.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import click

from pooltool import __version__
from pooltool.errors import OTHER_NAMES, PooltoolError, one_line
from pooltool.report import complain, redirect_to_devnull

if TYPE_CHECKING:
    from pooltool.geometry import Pair, Windows
    from pooltool.kernels import Method

Row = tuple[Sequence[str], click.Parameter]

HELP = {
    "max": """Keep the largest value of each window (bright details).

    \b
    pooltool max mountain.jpg             writes mountain_max.jpg, half as large
    pooltool max -r photos -o pooled      a folder, mirrored below pooled
    cat a.png | pooltool max - > b.png    through a pipe
    """,
    "avg": """Replace each window by its mean (a smoother image).

    \b
    pooltool avg mountain.jpg             writes mountain_avg.jpg, half as large
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
    pooltool mode labels.png              writes labels_mode.png, half as large

    Each color is one label, so no color is created that was not in the window. If the image has a
    palette, the label is the index, and the palette is kept. If several labels are equally
    frequent, the smallest is kept. The channels of a .npy array are pooled independently.
    """,
    "min": """Keep the smallest value of each window (dark details).

    \b
    pooltool min scan.png                 writes scan_min.png, half as large
    pooltool min --pool-size 1x9 scan.png -o thick.png
    """,
    "compare": """Show and measure what max, min and average pooling do to IMAGE.

    \b
    pooltool compare mountain.jpg --pool-size 8    writes mountain_compare.png
    pooltool compare lecture.pgm                   a small image also as numbers
    pooltool compare a.png --pool-size 2 --pool-size 4    a row for each
    pooltool compare a.png -o page.html            a page to explore in a browser

    The panel shows the image and its three poolings, each value at the place of its window. The
    page lets you move the windows; for a photograph they start at 8x8. The table lists, for the
    image and for each pooling, mean, standard deviation and three figures:

    noise: the part of a faint random noise, 2% of the image's range, that remains. 1 is all of it;
    the average halves it each time the window size doubles.

    bias: how far this noise alone shifts the result, in units of the noise: up with max, down with
    min, not with avg.

    shift: how much the image changes when it is moved by one pixel, in units of its own contrast.
    A shift below the input's means that small movements matter less after pooling.

    All figures are of colors, without alpha. If the image has more than 2 million pixels, noise,
    bias and shift are those of its center. NaN and infinity are left out. A dash means that there
    is nothing to measure. If alpha varies, `weighted` is the average with colors weighted by their
    opacity.
    """,
}


def option(names: str, commands: Sequence[str], help: str, **attributes: Any) -> Row:
    """The commands that take an option, and the option; `names` are as the help shows them."""
    return commands, click.Option(names.split(), help=help, **attributes)


class SectionedCommand(click.Command):
    """A command whose help lists its options section by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections in their order; `--help` comes last."""
        help_row: Row = (BOTH, self.get_params(ctx)[-1])
        for title, rows in {**SECTIONS, "Help": [help_row]}.items():
            records = [row.get_help_record(ctx) for commands, row in rows if self.name in commands]
            if records:
                with formatter.section(title):
                    formatter.write_dl(list(filter(None, records)))


def completed(
    values: Callable[[], list[str]], ctx: click.Context, param: click.Parameter, typed: str
) -> list[str]:
    """Those of the values that the shell may complete what was typed to."""
    return [value for value in values() if value.startswith(typed.lower())]


def format_names() -> list[str]:
    """An extension of every format that can be written."""
    from pooltool.images.formats import FORMATS

    return [format.extensions[0] for format in FORMATS if format.written]


def read_extension(text: str) -> str:
    """Refuse what is not an extension but, for example, a part of a path."""
    if not text.removeprefix(".").isalnum():
        raise click.BadParameter(f"{text!r} is not an extension; write for example png or tiff")
    return text


def read_number(text: str, at_least: int = 0, at_most: int = 999_999_999) -> int:
    """Read a whole number, within limits."""
    if re.fullmatch(r"\d{1,9}", text, re.ASCII) and at_least <= int(text) <= at_most:
        return int(text)
    raise click.BadParameter(f"{text!r} is not a whole number from {at_least} to {at_most}")


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


def read_position(text: str) -> Pair:
    """Read `ROW,COLUMN`, counted from 0."""
    if match := re.fullmatch(r"(\d{1,9}),(\d{1,9})", text, re.ASCII):
        return int(match[1]), int(match[2])
    raise click.BadParameter(f"{text!r} is not ROW,COLUMN counted from 0; write for example 120,80")


POOLING, COMPARE, BOTH = tuple(HELP)[:-1], ("compare",), tuple(HELP)
SIZE: dict[str, Any] = {"metavar": "SIZE", "type": read_size}
FLAG: dict[str, Any] = {"is_flag": True}
NUMBER: dict[str, Any] = {"metavar": "N", "type": read_number}
PATH: dict[str, Any] = {"metavar": "PATH", "shell_complete": click.Path().shell_complete}
EXTENSION: dict[str, Any] = {"metavar": "EXT", "type": read_extension}
PADDING: dict[str, Any] = {
    "metavar": "valid|same|SIZE",
    "type": read_padding,
    "shell_complete": partial(completed, lambda: ["valid", "same"]),
}
DTYPES = ["float16", "float32", "float64", "uint8", "int8", "uint16", "int16", "uint32", "int32",
          "uint64", "int64"]  # fmt: skip
SECTIONS: dict[str, list[Row]] = {
    "Windows (SIZE is N or HEIGHTxWIDTH, in pixels)": [
        option("--pool-size", POOLING, "Window size.  [default: 2]", **SIZE),
        option("--pool-size", COMPARE, "Window size; repeat it to compare several.  "
               "[default: 2; 8 for the page of a photograph]", multiple=True, **SIZE),
        option("--stride", BOTH, "Step between windows.  [default: the pool size]", **SIZE),
        option("--padding", ("max", "min", "median", "mode"), "Padding around the image, which "
               "never takes part in a result.  [default: valid (none)]", **PADDING),
        option("--padding", ("avg", "compare"), "Padding around the image, which takes part only "
               "in a mean with --count-include-pad.  [default: valid (none)]", **PADDING),
        option("--dilation", BOTH, "Step between the pixels of a window.  [default: 1]", **SIZE),
        option("--ceil-mode", BOTH, "Keep the last, partial window.", **FLAG),
        option("--count-include-pad", ("avg", "compare"), "Count padding as zeros in the mean.",
               **FLAG),
        option("--output-size", BOTH, "Pool to exactly this size (adaptive pooling); cannot be "
               "combined with the options above.", **SIZE),
        option("--alpha-weighted", ("avg",), "Weight colors by their opacity; alpha itself is "
               "averaged without weights.", **FLAG),
        option("--skip-nan", ("max", "min", "median", "avg"), "Ignore NaN; a window that holds "
               "only NaN gives NaN.", **FLAG),
    ],
    "Input": [
        option("--gray", BOTH, "Read the image as grayscale.", **FLAG),
        option("--data-format", BOTH, "Axis order of a .npy array: channels_last or "
               "channels_first.  [default: channels_last]", metavar="NAME",
               type=click.Choice(["channels_last", "channels_first"])),
        option("--frame", POOLING, "Read only this frame or page, counted from 0.  "
               "[default: all]", **NUMBER),
        option("--frame", COMPARE, "Read this frame or page, counted from 0.  "
               "[default: the first]", **NUMBER),
        option("-r --recursive", POOLING, "Pool all images in directories and below them, "
               "which -o DIR mirrors; symbolic links to directories are not followed.", **FLAG),
        option("--files-from", POOLING, "Read more image names from this file, one a line; - is "
               "standard input. May be repeated.", multiple=True, **{**PATH, "metavar": "FILE"}),
        option("-0 --null", POOLING, "Names in --files-from end with NUL.", **FLAG),
    ],
    "Output": [
        option("-o --output", POOLING, "Write to this file, to this directory (also for several "
               "images), or - for standard output.", **PATH),
        option("-o --output", COMPARE, "Write the panel to this file or directory, or - for "
               "standard output; a name in .html makes a page to explore.", **PATH),
        option("--indices", ("max", "min"), "Also write the position of each value, row * width + "
               "column, to this .npy file.", **PATH),
        option("--suffix", POOLING, "Text appended to the input's base name; may be empty with "
               "-o DIR.  [default: _ and the command]", metavar="TEXT"),
        option("--format", POOLING, "Write this format: png, tiff, npy, ...  [default: the "
               "image's; png for a GIF]", shell_complete=partial(completed, format_names),
               **EXTENSION),
        option("--format", COMPARE, "Write html, the page, or a picture format.  [default: png]",
               shell_complete=partial(completed, lambda: ["html", *format_names()]), **EXTENSION),
        option("--dtype", ("avg",), "numpy dtype of the result, such as float32 for means that are "
               "not rounded.  [default: the image's]", metavar="NAME",
               shell_complete=partial(completed, lambda: DTYPES)),
        option("--quality", POOLING, "JPEG, WebP or AVIF quality, 0 to 100.", metavar="N",
               type=lambda text: read_number(text, 0, 100)),
        option("--skip-existing", POOLING, "Skip an image whose output exists and is not empty.",
               **FLAG),
        option("--dry-run", POOLING, "Print what would be read, written or skipped; read no image "
               "and write nothing.", **FLAG),
    ],
    "Execution": [
        option("-j --jobs", POOLING, "Maximum number of images in parallel.  [default: every core]",
               metavar="N", type=lambda text: read_number(text, 1)),
        option("--scheduler", POOLING, "Run on the Dask cluster at this address.",
               metavar="ADDRESS"),
    ],
    "Display": [
        option("--detail", COMPARE, "Enlarge the surroundings of this pixel in the panel, counted "
               "from 0.", metavar="ROW,COLUMN", type=read_position),
        option("--show", BOTH, "Open a window with the image and the result.", **FLAG),
        option("--json as_json", BOTH, "Print JSON, one object a line.", **FLAG),
        option("-q --quiet", BOTH, "Print only errors, and JSON if --json is given.", **FLAG),
        option("--progress/--no-progress", POOLING, "Show a progress bar on stderr.  [default: on "
               "a terminal, after a second]", default=None),
    ],
}  # fmt: skip
WINDOW_NAMES = ("pool_size", "stride", "padding", "dilation", "ceil_mode")


def _windows(words: dict[str, Any]) -> list[Windows]:
    """The windows that the options describe, one setting for each `--pool-size`; none if no option
    is about windows. Refuse what `--output-size` excludes.
    """
    from pooltool.geometry import Windows

    settings = {name: words[name] for name in WINDOW_NAMES if words[name]}
    if words["output_size"]:
        for name in (*settings, "count_include_pad"):
            if words.get(name):
                name = f"--{name.replace('_', '-')}"
                raise click.UsageError(f"{name} and --output-size cannot be combined; give one")
        return [Windows.adaptive(words["output_size"])]
    if not settings:
        return []
    sizes = settings.pop("pool_size", (2, 2))
    sizes = sizes if isinstance(sizes[0], tuple) else [sizes]
    return [Windows.of(size, **settings) for size in sizes]


def _run(command: str, images: tuple[str, ...], **words: Any) -> int:
    """Do what the words after a command ask for; return the exit status."""
    if command == "compare" and len(images) != 1:
        remedy = "name it" if not images else "run it once for each"
        if len(images) == 2 and not os.path.exists(images[1]):
            remedy = f"to write there: -o {shlex.quote(images[1])}"
        raise click.UsageError(f"compare takes one image; {remedy}")
    if words["output"] == "/dev/stdout":  # where the text would follow the image
        words["output"] = "-"
    windows = _windows(words)
    from pooltool.geometry import Windows
    from pooltool.job import Settings
    from pooltool.kernels import Pooling
    from pooltool.kernels.means import checked_dtype

    method = cast("Method", "avg" if command == "compare" else command)
    flags = {name: words[name] for name in ("count_include_pad", "skip_nan") if name in words}
    dtype = words.get("dtype")
    if dtype is not None:
        dtype = checked_dtype(dtype)
    pooling = Pooling(method, windows[0] if windows else Windows.of(), dtype=dtype, **flags)
    fields = {name: words[name] for name in Settings._fields if name in words}
    settings = Settings(pooling, **fields)
    from pooltool import files

    try:
        if command == "compare":
            from pooltool.comparison import compare

            return compare(images[0], windows, settings, words["detail"])
        from pooltool.commands import pool_images

        return pool_images(images, settings)
    finally:
        files.protect(())  # no longer the inputs that `plan` found


cli = click.Group(
    "pooltool",
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": str.lower},
    help="""Pool images as a convolutional network does.

    A window slides over the image, and each position gives one value: the largest, the mean or the
    smallest of the pixels in it. Windows of 2x2 pixels halve an image.

    \b
    pooltool max mountain.jpg                      writes mountain_max.jpg
    pooltool avg --pool-size 3 --stride 2 *.png -o pooled/
    pooltool compare mountain.jpg --pool-size 8    max, min, average side by side
    pooltool max --help                            the options of a command

    Exit status: 0 success, 1 an image failed, 2 wrong usage (nothing was written). An interrupted
    run ends with the signal, so that shells report 130 (SIGTERM 143, SIGHUP 129).
    """,
)
click.version_option(__version__, message="%(prog)s %(version)s")(cli)
for _name, _help in HELP.items():
    _metavar = "IMAGE" if _name == "compare" else "IMAGES..."
    _images = click.Argument(["images"], nargs=-1, **{**PATH, "metavar": _metavar})
    _options = [option for rows in SECTIONS.values() for names, option in rows if _name in names]
    _callback = partial(_run, _name)
    cli.add_command(
        SectionedCommand(_name, callback=_callback, params=[_images, *_options], help=_help)
    )


def _explained(error: click.UsageError, words: Sequence[str]) -> str:
    """What is wrong and, where a word has another name here or belongs elsewhere, what to write."""
    if isinstance(error, click.NoSuchOption) and error.ctx:
        if remedy := _remedy(error.option_name, str(error.ctx.command.name), words):
            return f"No such option {error.option_name!r}; {remedy}"
    elif error.ctx and error.ctx.command is cli:  # there is no such command
        word = words[0]
        if (name := OTHER_NAMES.get(word.lower())) in cli.commands:
            return f"No such command {word!r}; it is called {name!r} here."
        if "." in word or os.path.lexists(word):
            return f"name a method first: pooltool max {shlex.quote(word)}"
    return error.format_message()


def _remedy(name: str, command: str, words: Sequence[str]) -> str:
    """What to write instead of an option that the command does not have; "" if that is unknown."""
    for word in words:
        if re.match(r"-[^-].*\.[^\W\d]\w*$", word) or (word[:1] == "-" and os.path.lexists(word)):
            return f"if it is a file: -- {shlex.quote(word)}"
    options = {
        str(owner.name): [name for option in owner.params for name in option.opts]
        for owner in (cli, *cli.commands.values())
    }
    if name.startswith("--"):
        plain = name[2:].replace("-", "_")
        name = f"--{OTHER_NAMES.get(plain, plain)}".replace("_", "-")
    if name in options[command]:
        return f"it is called {name} here."
    if owners := [owner for owner, names in options.items() if name in names]:
        return f"{name} is an option of {', '.join(owners)}."
    alike = [option for option in options[command] if option.startswith(f"-{name}")]
    return f"in full it is {' or '.join(alike)}." if alike else ""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line, that of the process when `words` is None; return its exit status."""
    # For that of the process click does what the shell of Windows leaves to programs: `*.jpg`.
    try:
        return int(cli.main(words, prog_name="pooltool", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
    except click.UsageError as error:
        words = words or sys.argv[1:]
        command = error.ctx.command_path if error.ctx else f"pooltool {words[0]}"
        complain(f"{_explained(error, words)} (see `{command} --help`)")
    except PooltoolError as error:
        complain(one_line(error))
    except OSError as error:
        from pooltool import files

        if sys.stdout is not None:
            redirect_to_devnull(sys.stdout)
        if isinstance(error, FileNotFoundError) and not error.filename:
            complain("the current directory no longer exists; change to another one")
        elif not isinstance(error, BrokenPipeError):
            name = f"{error.filename}: " if error.filename else ""
            complain(name + files.reason(error))
        return 1
    except Exception as error:
        complain(one_line(error))
        return 1
    return 2
