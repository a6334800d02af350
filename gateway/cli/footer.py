"""``careerrelay footer``: look at footers before anybody gets one."""

from pathlib import Path

import click


@click.group()
def footer() -> None:
    """Look at footers."""


@footer.command()
@click.argument("name")
@click.option(
    "--config", "-c", "config_path", type=click.Path(path_type=Path), metavar="FILE",
    envvar="CAREERRELAY_CONFIG", show_envvar=True,
    help="The config: its footers, names and links. Without one: the shipped footers, with sample names.",
)  # fmt: skip
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), metavar="FILE",
    help="Write the HTML footer as a page for a browser; - for standard output, in place of the text.",
)  # fmt: skip
def preview(*, name: str, config_path: Path | None, page: Path | None) -> None:
    """Show the footer NAME as a mail would carry it, with a sample link.

    The text goes to standard output. The page follows the browser's light or dark setting.
    """
    from gateway.config import load_config, read_rule_files, read_rule_folder
    from gateway.footer.preview import preview_page, preview_plain
    from gateway.footer.template import load_footers
    from gateway.footer.values import SAMPLE
    from gateway.service.bundle import link_form
    from gateway.token import TOKEN_OCTETS, encode_token

    config = None if config_path is None else load_config(config_path)
    files = read_rule_folder(None) if config is None else read_rule_files(config)
    footers = load_footers(files.footers)
    if name not in footers:
        raise click.UsageError(f"there is no footer {name!r}; there are: {', '.join(sorted(footers))}")
    values = SAMPLE if config is None else link_form(config).values(encode_token(bytes(TOKEN_OCTETS)))
    if page is None or str(page) != "-":
        click.echo(preview_plain(footers[name], values), nl=False)
    if page is None:
        return
    shown = preview_page(footers[name], values)
    if str(page) == "-":
        click.echo(shown, nl=False)
        return
    try:
        page.write_text(shown, "utf-8")
    except OSError as error:
        raise click.ClickException(f"{page}: {error.strerror}") from error
