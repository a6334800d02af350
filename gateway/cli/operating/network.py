"""What `doctor` asks others: next hops, and DNS as far as it can be reached. Each question has a bound."""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace

import dns.exception
import dns.resolver
import dns.reversename

from gateway.cli.operating.findings import Finding, fail, ok, warn
from gateway.config import Config, NextHop, derive_keys, read_password, read_rule_files
from gateway.errors import GatewayError
from gateway.relay.pool import Pool
from gateway.relay.settings import NextHopSettings
from gateway.service.bundle import Bundle
from gateway.service.wiring import hop_settings

_HOP_SECONDS, _DNS_SECONDS = 8.0, 3.0


def next_hops(config: Config) -> Iterator[Finding]:
    """Every host of every next hop: greeting, EHLO, TLS by the policy, login."""
    passwords = {}
    for name, hop in config.next_hops.items():
        if hop.password_file is not None:
            try:
                passwords[name] = read_password(hop.password_file)
            except GatewayError as error:
                yield fail("next-hop", f"{name}: {error}", "write the password's file")
                return
    bundle = Bundle(
        config=config,
        keys=derive_keys(secrets.token_bytes(32)),  # nothing is signed or marked here
        files=read_rule_files(config),
        passwords=passwords,
    )
    for name, hop in config.next_hops.items():
        yield from asyncio.run(_hop(name, hop, hop_settings(bundle, name, hop, workers=1, index=0)))


async def _hop(name: str, hop: NextHop, settings: NextHopSettings) -> list[Finding]:
    return [await _host(name, hop, replace(settings, hosts=(host,))) for host in settings.hosts]


async def _host(name: str, hop: NextHop, settings: NextHopSettings) -> Finding:
    where = f"{name}: {settings.hosts[0].label}"
    pool = Pool(settings)
    try:
        async with asyncio.timeout(_HOP_SECONDS):
            capabilities = await pool.capabilities()
    except (GatewayError, TimeoutError) as error:
        remedy = "host and port, the firewall, its certificate, the login: one of them is not right"
        return fail("next-hop", f"{where}: {str(error) or 'no answer in time'}", remedy)
    finally:
        await pool.close(1.0)
    words = " ".join(keyword.decode("ascii", "replace") for keyword, _ in capabilities.keywords)
    if hop.tls == "none" and not hop.hosts[0].host.startswith(("127.", "::1")):
        return warn("next-hop", f"{where} answers, without TLS: {words}", 'write tls = "required"')
    return ok("next-hop", f"{where} answers (tls = {hop.tls}): {words}")


def names(config: Config) -> Iterator[Finding]:
    """MX, SPF, DMARC of the first own domain, our DKIM keys, our own name there and back."""
    resolver = dns.resolver.Resolver(configure=False)
    try:
        resolver = dns.resolver.Resolver()
    except dns.exception.DNSException:
        yield warn("dns", "this machine names no resolver", "write /etc/resolv.conf; nothing was looked up")
        return
    resolver.lifetime = resolver.timeout = _DNS_SECONDS
    domain = config.gateway.own_domains[0].removeprefix("*.")
    asked = [
        ("mx", domain, "MX", "", "senders of replies find you by it"),
        ("spf", domain, "TXT", "v=spf1", "publish one that has whoever delivers to the world"),
        ("dmarc", f"_dmarc.{domain}", "TXT", "v=DMARC1", "publish one; begin with p=none"),
        ("name", config.gateway.hostname, "A", "", "the gateway's name should lead to it"),
    ]
    asked += [
        ("dkim", f"{key.selector}._domainkey.{key.domain}", "TXT", "p=", "publish the key's public half")
        for key in config.dkim.key
    ]
    for number, (check, name, kind, word, remedy) in enumerate(asked):
        try:
            found = [one for one in _ask(resolver, name, kind) if word in one]
        except (dns.resolver.NoNameservers, dns.exception.Timeout):
            yield warn(
                "dns", f"no resolver answers ({name})", "look it up from elsewhere; DNS was not checked"
            )
            if number == 0:
                return
            continue
        if not found:
            yield warn(f"dns-{check}", f"{name} has no {word or kind} record", remedy)
            continue
        yield ok(f"dns-{check}", f"{name}: {found[0][:100]}")
        if check == "name":
            yield from _back(resolver, config.gateway.hostname, found[0])


def _back(resolver: dns.resolver.Resolver, hostname: str, address: str) -> Iterator[Finding]:
    try:
        found = _ask(resolver, str(dns.reversename.from_address(address)), "PTR")
    except dns.exception.DNSException:
        found = []
    if hostname.lower() in {one.rstrip(".").lower() for one in found}:
        yield ok("dns-ptr", f"{address} is {hostname}")
    else:
        remedy = (
            "have the PTR record set where the gateway itself delivers to the world; else it doesn't matter"
        )
        yield warn("dns-ptr", f"{address} is {', '.join(found) or 'nobody'}, not {hostname}", remedy)


def _ask(resolver: dns.resolver.Resolver, name: str, kind: str) -> Sequence[str]:
    try:
        answer = resolver.resolve(name, kind)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    return [record.to_text().replace('" "', "").strip('"') for record in answer]
