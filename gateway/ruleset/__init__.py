"""Rules to verdict: the language of the rule files, and what it says about one mail. Pure, linear time.

`load.load_rules` takes the rule files as bytes and gives a `Ruleset`, or a `ConfigError` with every problem.
`Ruleset.judge` reads one mail and gives a `Verdict`; it never changes a byte. No word of any language stands
in this package: what a refusal looks like is said by the files alone.
"""
