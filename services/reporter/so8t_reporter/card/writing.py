"""Writes the model cards and the results for a hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from so8t_reporter.card.facts import IN_EACH_QUANTIZATION, Facts, HubNames
from so8t_reporter.card.hub import RESULTS_FOLDER, check_names, front_matter, hub_results
from so8t_reporter.card.wording import ENGLISH, JAPANESE, Wording
from so8t_reporter.evidence import inputs_of
from so8t_reporter.markdown import markdown_environment
from so8t_shared import formatting
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.bundles.contents import CONFIGURATION_FILE, MANIFEST_FILE, config_of, document
from so8t_shared.files import write_together
from so8t_shared.results.bundle import BundleProof

CARD, JAPANESE_CARD, RESULTS = "README.md", "README.ja.md", f"{RESULTS_FOLDER}/so8t-ab.yaml"


def write_card(bundle: Path, folder: Path, proof: BundleProof, names: Mapping[str, str]) -> list[Path]:
    """Write the cards of the verified bundle that is unpacked in `bundle`; return the paths.

    `names` has the hub's names; see `HubNames`.

    Raises:
        ConfigError: a name is none of the hub's.
        StorageError: `folder` cannot be written.
    """
    hub = HubNames(**names)
    check_names(hub)
    facts = facts_of(bundle, proof, hub)
    files = {
        CARD: f"---\n{front_matter(facts)}---\n\n{rendered(facts, ENGLISH)}",
        JAPANESE_CARD: rendered(facts, JAPANESE),
    }
    if hub.dataset and (results := hub_results(facts)):
        files[RESULTS] = results
    write_together({folder / name: text.encode("utf-8") for name, text in files.items()})
    return [folder / name for name in files]


def facts_of(bundle: Path, proof: BundleProof, names: HubNames) -> Facts:
    """Read what the cards tell."""
    config = config_of(document((bundle / CONFIGURATION_FILE).read_bytes(), CONFIGURATION_FILE))
    place = f"evaluate/{MANIFEST_FILE}"
    tested = Manifest.from_bytes((bundle / place).read_bytes(), place).created[: len("2026-01-01")]
    return Facts(config, inputs_of(bundle), proof, names, tested)


def rendered(facts: Facts, wording: Wording) -> str:
    """The card in one language."""
    environment = markdown_environment()
    text = environment.get_template(f"card.{wording.code}.md.j2").render(
        facts=facts,
        w=wording,
        fmt=formatting,
        columns=IN_EACH_QUANTIZATION,
        level=f"{100 * facts.evaluation.confidence:g}%",
        points=lambda share: f"{100 * share:.1f}",
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
