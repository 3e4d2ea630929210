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
    from pooltool.job import Settings
    from pooltool.kernels import Method

HELP = {
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
    "compare": """Show and measure what max, min and average pooling do to IMAGE.

    \b
    pooltool compare mountain.jpg --pool-size 8   writes mountain_compare.png
    pooltool compare lecture.pgm                  a small image also as numbers
    pooltool compare a.png --pool-size 2 --pool-size 4    one row of the panel for each
    pooltool compare a.png -o page.html           a page to explore, for any browser

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


def option(
    names: str, commands: Sequence[str], help: str, **attributes: Any
) -> tuple[Sequence[str], click.Option]:
    """The commands that take an option, and the option; `names` are as the help shows them."""
    return commands, click.Option(names.split(), help=help, **attributes)


class SectionedCommand(click.Command):
    """A command whose help lists its options section by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections in their order; `--help` comes last."""
        sections: dict[str, list[click.Parameter]] = {
            title: [option for commands, option in rows if self.name in commands]
            for title, rows in SECTIONS.items()
        }
        sections["Help"] = self.get_params(ctx)[-1:]
        for title, options in sections.items():
            if records := [option.get_help_record(ctx) for option in options]:
                with formatter.section(title):
                    formatter.write_dl(list(filter(None, records)))


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
            ctx.fail(f"name a method first: pooltool max {shlex.quote(cmd_name)}")
        return None


def completed(
    values: Callable[[], list[str]], ctx: click.Context, param: click.Parameter, typed: str
) -> list[str]:
    """Those of the values that the shell may complete what was typed to."""
    return [value for value in values() if value.startswith(typed.lower())]


def format_names() -> list[str]:
    """An extension of every format that can be written."""
    from pooltool.images.formats import FORMATS

    return [format.extensions[0] for format in FORMATS if format.written]


def read_name(text: str) -> str:
    """Refuse the empty name of a file or directory."""
    if not text:
        raise click.BadParameter("the name is empty; check the variable that it comes from")
    return text


def read_output(text: str) -> str:
    """Read the name of a file or directory to write, where /dev/stdout is another name of `-`."""
    return "-" if text == "/dev/stdout" else read_name(text)


def read_extension(text: str) -> str:
    """Refuse what is not an extension but, for example, a part of a path."""
    if not text.removeprefix(".").isalnum():
        raise click.BadParameter(f"{text!r} is not an extension; write for example png or tiff")
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


def read_position(text: str) -> Pair:
    """Read `ROW,COLUMN`, counted from 0."""
    if match := re.fullmatch(r"(\d{1,9}),(\d{1,9})", text, re.ASCII):
        return int(match[1]), int(match[2])
    raise click.BadParameter(f"{text!r} is not ROW,COLUMN counted from 0; write for example 120,80")


POOLING, COMPARE, BOTH = tuple(HELP)[:-1], ("compare",), tuple(HELP)
SIZE: dict[str, Any] = {"metavar": "SIZE", "type": read_size}
FLAG: dict[str, Any] = {"is_flag": True}
NUMBER: dict[str, Any] = {"metavar": "N", "type": click.IntRange(min=0)}
FILE: dict[str, Any] = {"type": read_name, "shell_complete": click.Path().shell_complete}
PATH: dict[str, Any] = {**FILE, "metavar": "PATH", "type": read_output}
EXTENSION: dict[str, Any] = {"metavar": "EXT", "type": read_extension}
PADDING: dict[str, Any] = {
    "metavar": "valid|same|SIZE",
    "type": read_padding,
    "shell_complete": partial(completed, lambda: ["valid", "same"]),
}
DTYPES = ["float16", "float32", "float64", "uint8", "int8", "uint16", "int16", "uint32", "int32",
          "uint64", "int64"]  # fmt: skip
WHAT_PADDING_IS = {
    "max": "it is never the maximum",
    "min": "it is never the minimum",
    "median": "it is not part of the median",
    "mode": "it is never the most frequent value",
    "avg": "it does not count in the mean, unless --count-include-pad is given",
    "compare": "it is never a maximum or minimum",
}
SECTIONS: dict[str, list[tuple[Sequence[str], click.Option]]] = {
    "Windows (SIZE is N or HEIGHTxWIDTH, in pixels)": [
        option("--pool-size", POOLING, "Window size.  [default: 2]", **SIZE),
        option("--pool-size", COMPARE, "Window size; repeat it to compare several.  "
               "[default: 2; 8 for the page of a photograph]", multiple=True, **SIZE),
        option("--stride", BOTH, "Step between windows.  [default: the pool size]", **SIZE),
        *(option("--padding", (command,), f"Padding around the image; {sentence}.  "
                 "[default: valid (none)]", **PADDING)
          for command, sentence in WHAT_PADDING_IS.items()),
        option("--dilation", BOTH, "Step between the pixels of a window.  [default: 1]", **SIZE),
        option("--ceil-mode", BOTH, "Keep the last, partial window.", **FLAG),
        option("--output-size", BOTH, "Pool to exactly this size (adaptive pooling); cannot be "
               "combined with the options above.", **SIZE),
        option("--count-include-pad", ("avg", "compare"), "Count padding as zeros in the mean.",
               **FLAG),
        option("--alpha-weighted", ("avg",), "Weight colors by their opacity; alpha itself is "
               "averaged without weights.", **FLAG),
        option("--skip-nan", ("max", "min", "median", "avg"), "Ignore NaN; a window that holds "
               "only NaN gives NaN.", **FLAG),
    ],
    "Input": [
        option("--gray", BOTH, "Read the image as grayscale.", **FLAG),
        option("--data-format", BOTH, "Axis order of a .npy array.  [default: channels_last]",
               type=click.Choice(["channels_last", "channels_first"])),
        option("--frame", POOLING, "Read only this frame or page, counted from 0.  "
               "[default: all]", **NUMBER),
        option("--frame", COMPARE, "Read this frame or page, counted from 0.  "
               "[default: the first]", **NUMBER),
        option("-r --recursive", POOLING, "Pool all images in directories and below them, "
               "which -o DIR mirrors; symbolic links to directories are not followed.", **FLAG),
        option("--files-from", POOLING, "Read more image names from this file, one a line; - is "
               "standard input. May be repeated.", multiple=True, **{**FILE, "metavar": "FILE"}),
        option("-0 --null", POOLING, "Names in --files-from end with NUL.", **FLAG),
    ],
    "Output": [
        option("-o --output", POOLING, "Write to this file, to this directory (also for several "
               "images), or - for standard output.", **PATH),
        option("-o --output", COMPARE, "Write the panel to this file or directory; a name in .html "
               "makes a page to explore.", **PATH),
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
               type=click.IntRange(0, 100)),
        option("--skip-existing", POOLING, "Skip an image whose output exists and is not empty.",
               **FLAG),
        option("--dry-run", POOLING, "Print what would be read, written or skipped; read no image "
               "and write nothing.", **FLAG),
    ],
    "Execution": [
        option("-j --jobs", POOLING, "Maximum number of images in parallel.  [default: every core]",
               metavar="N", type=click.IntRange(min=1)),
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
    """The windows that the options describe, one setting for each `--pool-size`; refuse what
    `--output-size` excludes.
    """
    from pooltool.geometry import Windows

    settings = {name: words[name] for name in WINDOW_NAMES if words[name]}
    if not words["output_size"]:
        sizes = settings.pop("pool_size", (2, 2))
        sizes = sizes if isinstance(sizes[0], tuple) else [sizes]
        return [Windows.of(size, **settings) for size in sizes]
    for name in (*settings, "count_include_pad"):
        if words.get(name):
            name = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{name} and --output-size cannot be combined; give one")
    return [Windows.adaptive(words["output_size"])]


def _settings(method: Method, windows: Windows, words: dict[str, Any]) -> Settings:
    """What the options ask for."""
    from pooltool.job import Settings
    from pooltool.kernels import Pooling
    from pooltool.kernels.means import checked_dtype

    names = ("count_include_pad", "skip_nan")
    more = {name: words[name] for name in names if name in words}
    pooling = Pooling(method, windows, dtype=checked_dtype(words.get("dtype")), **more)
    return Settings(pooling, **{name: words[name] for name in Settings._fields if name in words})


def _pool(method: Method, images: tuple[str, ...], **words: Any) -> int:
    (windows,) = _windows(words)
    from pooltool.commands import pool_images

    return pool_images(images, _settings(method, windows, words))


def _compare(images: tuple[str, ...], **words: Any) -> int:
    if len(images) > 1:
        remedy = f"to write there: -o {shlex.quote(images[1])}"
        if os.path.exists(images[1]):
            remedy = "run it once for each"
        raise click.UsageError(f"compare takes one image; {remedy}")
    windows = _windows(words)
    settings = _settings("avg", windows[0], words)
    is_given = words["output_size"] or any(words[name] for name in WINDOW_NAMES)
    from pooltool.comparison import compare

    return compare(images[0], windows if is_given else [], settings, words["detail"])


cli = Commands(
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Pool images as a convolutional network does.

    A window slides over the image, and each position gives one value: the largest, the mean or the
    smallest of the pixels in it. Windows of 2x2 pixels halve an image.

    \b
    pooltool max mountain.jpg                     writes mountain_max.jpg
    pooltool avg --pool-size 3 --stride 2 *.png -o pooled/
    pooltool compare mountain.jpg --pool-size 8   max, min and average side by side

    Exit status: 0 success, 1 an image failed, 2 wrong usage (nothing was written). An interrupted
    run ends with the signal, so that shells report 130 (SIGTERM 143, SIGHUP 129).
    """,
)
click.version_option(__version__, message="%(prog)s %(version)s")(cli)
for _name, _help in HELP.items():
    if _name == "compare":
        _run: Callable[..., int] = _compare
        _images = click.Argument(["images"], nargs=-1, required=True, metavar="IMAGE", **FILE)
    else:
        _run = partial(_pool, cast("Method", _name))
        _images = click.Argument(["images"], nargs=-1, metavar="IMAGES...", **FILE)
    _options = [option for rows in SECTIONS.values() for names, option in rows if _name in names]
    cli.add_command(SectionedCommand(_name, callback=_run, params=[_images, *_options], help=_help))


def _explained(error: click.UsageError, words: Sequence[str]) -> str:
    """What is wrong, and where an unknown option belongs if it has another name or is elsewhere."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return error.format_message()
    unknown = f"No such option {error.option_name!r}; "
    for word in words:
        if re.match(r"-[^-].*\.[^\W\d]\w*$", word) or (word[:1] == "-" and os.path.lexists(word)):
            return f"{unknown}if it is a file: -- {shlex.quote(word)}"
    name = error.option_name
    if name.startswith("--"):
        plain = name[2:].replace("-", "_")
        name = f"--{OTHER_NAMES.get(plain, plain)}".replace("_", "-")
    owners = {
        str(command.name): [option for param in command.params for option in param.opts]
        for command in cli.commands.values()
    }
    own = owners.get(str(error.ctx.command.name), [])
    if name in own:
        return f"{unknown}it is called {name} here."
    if elsewhere := [command for command, options in owners.items() if name in options]:
        return f"{unknown}{name} is an option of {', '.join(elsewhere)}."
    if alike := [option for option in own if len(name) == 2 and option.startswith(f"-{name}")]:
        return f"{unknown}in full it is {' or '.join(alike)}."
    return error.format_message()


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line, that of the process when `words` is None; return its exit status."""
    # For that of the process click does what the shell of Windows leaves to programs: `*.jpg`.
    try:
        return int(cli.main(words, prog_name="pooltool", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "pooltool"
        complain(f"{_explained(error, words or sys.argv[1:])} (see `{command} --help`)")
    except PooltoolError as error:
        complain(one_line(error))
    except OSError as error:
        from pooltool import files

        redirect_to_devnull(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            name = f"{error.filename}: " if error.filename else ""
            complain(name + files.reason(error))
        return 1
    except Exception as error:
        complain(one_line(error))
        return 1
    return 2
