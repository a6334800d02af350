"""What has to fit between [web], [link] and [partner]."""

from gateway.config.checks.found import Check, Found
from gateway.config.link_url import own_opt_out
from gateway.config.model import Config, partner_places

_OPT_OUT_REMEDY = (
    'write an address, as opt_out = "mailto:no-more@example.co.jp?subject={token}", '
    "or set web.listen and link.landing_url"
)


def _opt_out_is_known(config: Config) -> Found:
    link = config.link
    if link.opt_out is not None:
        return
    if config.web.listen is None or not link.public:
        yield (
            "link.opt_out",
            'without the public link nobody could say "no more of these"',
            _OPT_OUT_REMEDY,
        )
    elif own_opt_out(link.url) is None:
        yield (
            "link.opt_out",
            "link.url does not end with /r/{token}, so the page beside it is not known",
            "write the address of /o/{token} on the public web server",
        )


def _web_listeners_apart(config: Config) -> Found:
    web = config.web
    if web.public_listen is not None and web.listen is None:
        yield "web.public_listen", "there is no web.listen", "write web.listen too, or take it out"
    for name in ("listen", "public_listen"):
        place = getattr(web, name)
        if place is None:
            continue
        if name == "public_listen" and place == web.listen:
            yield "web.public_listen", "web.listen has this address and port already", "write another port"
        for index, listen in enumerate(config.listen):
            if listen.port == place.port and listen.address == place.host:
                yield (
                    f"web.{name}",
                    f"listen[{index}] has this address and port already",
                    "write another port",
                )


def _push_is_signed(config: Config) -> Found:
    for place, partner in partner_places(config):
        if partner.push_url is not None and not (partner.push_secret_file or partner.webhook_secret_file):
            yield f"{place}.push_url", "there is no secret to sign with", "write push_secret_file"


WEB_CHECKS: tuple[Check, ...] = (
    _opt_out_is_known,
    _web_listeners_apart,
    _push_is_signed,
)


def _secrets_without_web(config: Config) -> Found:
    if config.web.listen is not None:
        return
    for place, partner in partner_places(config):
        if partner.webhook_secret_file is not None:
            yield (
                f"{place}.webhook_secret_file",
                "web.listen is off, so nobody can use it",
                "write web.listen",
            )
    if config.link.public:
        yield "link.landing_url", "web.listen is off, so no link leads there", "write web.listen"


WEB_WARNINGS: tuple[Check, ...] = (_secrets_without_web,)
