"""A statement as text, HTML and CSV, in English and Japanese: company and agency sign the same paper."""

import html
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.ledger.months import JST

if TYPE_CHECKING:
    from gateway.store.figures import Statement

LABELS = {
    "referrals": "Referrals 紹介数",
    "slots_granted": "Slots granted 付与された無料枠",
    "slots_redeemed": "Slots used 使用済み",
    "slots_available": "Slots available 利用可能",
    "slots_reserved": "Slots reserved 確保済み",
    "slots_expired": "Slots expired 失効",
    "to_next_slot": "To the next slot 次の枠まで",
    "debt": "Debt 不足",
    "count": "counted 計上",
    "uncount": "reversed 取消",
    "adjust": "adjusted 調整",
    "grant": "slot granted 枠の付与",
    "take-back": "slot taken back 枠の取消",
    "reprice": "ratio corrected 比率の訂正",
    "reserve": "slot reserved 枠の確保",
    "release": "reservation released 確保の解除",
    "use": "slot used 枠の使用",
    "return": "slot returned 枠の返却",
    "expire": "slot expired 枠の失効",
}


def _balances(found: "Statement") -> list[tuple[str, int, int]]:
    return [
        (LABELS[one.name], getattr(found.opening, one.name), getattr(found.closing, one.name))
        for one in fields(found.opening)
    ]


def _title(found: "Statement") -> str:
    name = found.company_name or found.company
    note = " (provisional 暫定)" if found.provisional else ""
    return f"CareerRelay {found.month}: {name} / {found.partner}{note}"


def _shown(iso: str | None) -> str:
    """A moment in Japanese time, like the month itself."""
    return datetime.fromisoformat(iso).astimezone(JST).strftime("%Y-%m-%d %H:%M:%S %Z") if iso else ""


def as_text(found: "Statement") -> Iterator[str]:
    """For a terminal, or a mail."""
    yield _title(found) + "\n\n"
    yield "Balance 残高: opening 月初 -> closing 月末\n"
    for label, before, after in _balances(found):
        yield f"  {before:>6} -> {after:>6}  {label}\n"
    yield "\nRecorded this month 当月の記帳\n"
    for movement in found.movements:
        prior = f", of it prior periods うち過月分 {movement.prior:+d}" if movement.prior else ""
        moved = f", referrals 紹介 {movement.referrals:+d}{prior}" if movement.referrals else ""
        moved += f", referrals spent on it 充当 {movement.spent:+d}" if movement.spent else ""
        yield f"  {movement.count:>6} x {LABELS[movement.kind]}{moved}\n"
    if not found.movements:
        yield "  nothing なし\n"
    if found.campaigns:
        yield "\nBy campaign and department キャンペーン・部門別\n"
        for campaign, department, total in found.campaigns:
            yield f"  {total:>+6}  {campaign or '-'}{f' / {department}' if department else ''}\n"
    if found.items:
        yield "\nReferrals 明細\n"
        for item in found.items:
            prior = " (prior period 過月分)" if item.prior else ""
            about = " ".join(filter(None, (item.registration, item.reason and f"({item.reason})")))
            yield f"  {item.referrals:>+3}  {_shown(item.effective_at)}  {about}  {item.campaign}{prior}\n"
    yield f"\nHead of the books 帳簿の末尾: {found.head[0]} {found.head[1]}\n\n"
    yield "Company 会社: ____________________   Agency 紹介会社: ____________________\n"


def as_csv(found: "Statement") -> Iterator[dict[str, object]]:
    """Rows of `CSV_FIELDS`."""
    base = {"company": found.company, "partner": found.partner, "month": found.month}
    for one in fields(found.opening):
        yield {**base, "section": "opening", "name": one.name, "value": getattr(found.opening, one.name)}
    for one in fields(found.closing):
        yield {**base, "section": "closing", "name": one.name, "value": getattr(found.closing, one.name)}
    for movement in found.movements:
        yield {
            **base,
            "section": "movement",
            "name": movement.kind,
            "value": movement.count,
            "referrals": movement.referrals,
            "prior": movement.prior,
            "spent": movement.spent,
        }
    for item in found.items:
        yield {
            **base,
            "section": "item",
            "name": item.kind,
            "referrals": item.referrals,
            "prior": item.referrals if item.prior else 0,
            "registration": item.registration,
            "campaign": item.campaign,
            "department": item.department,
            "effective_at": item.effective_at,
            "recorded_at": item.recorded_at,
            "reason": item.reason,
        }
    yield {**base, "section": "head", "name": str(found.head[0]), "value": found.head[1]}


CSV_FIELDS = (
    "company",
    "partner",
    "month",
    "section",
    "name",
    "value",
    "referrals",
    "prior",
    "registration",
    "campaign",
    "department",
    "effective_at",
    "recorded_at",
    "reason",
    "spent",
)

_STYLE = (
    "body{font-family:sans-serif;margin:2em;max-width:60em}table{border-collapse:collapse;margin:0 0 1.5em}"
    "td,th{border:1px solid #999;padding:.3em .6em;text-align:left}td.n{text-align:right}"
)


def as_html(found: "Statement") -> Iterator[str]:
    """One page that prints, and needs nothing from anywhere."""

    def cells(*values: object) -> str:
        shown = (
            f'<td class="n">{value}</td>' if isinstance(value, int) else f"<td>{html.escape(str(value))}</td>"
            for value in values
        )
        return f"<tr>{''.join(shown)}</tr>\n"

    def table(title: str, head: tuple[str, ...], rows: Iterator[str]) -> Iterator[str]:
        yield f"<h2>{html.escape(title)}</h2>\n<table>\n<tr>"
        yield "".join(f"<th>{html.escape(name)}</th>" for name in head) + "</tr>\n"
        yield from rows
        yield "</table>\n"

    title = html.escape(_title(found))
    yield f'<!DOCTYPE html>\n<html lang="ja"><head><meta charset="utf-8"><title>{title}</title>\n'
    yield f"<style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    yield from table(
        "Balance 残高",
        ("", "opening 月初", "closing 月末"),
        (cells(label, before, after) for label, before, after in _balances(found)),
    )
    yield from table(
        "Recorded this month 当月の記帳",
        ("", "count 件数", "referrals 紹介", "of it prior periods うち過月分", "spent 充当"),
        (cells(LABELS[one.kind], one.count, one.referrals, one.prior, one.spent) for one in found.movements),
    )
    yield from table(
        "By campaign and department キャンペーン・部門別",
        ("campaign キャンペーン", "department 部門", "referrals 紹介"),
        (cells(*one) for one in found.campaigns),
    )
    yield from table(
        "Referrals 明細",
        ("", "date 日時", "registration 登録", "campaign", "department 部門", "reason 理由", "prior 過月分"),
        (
            cells(
                one.referrals,
                _shown(one.effective_at),
                one.registration,
                one.campaign,
                one.department,
                one.reason,
                "yes" if one.prior else "",
            )
            for one in found.items
        ),
    )
    yield f"<p>Head of the books 帳簿の末尾: {found.head[0]} <code>{found.head[1]}</code></p>\n"
    yield "<p>Company 会社: ____________________ &emsp; Agency 紹介会社: ____________________</p>\n"
    yield "</body></html>\n"
