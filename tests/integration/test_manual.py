"""What the documents say is what the program does: every setting with its default, every error code, every metric, every link."""

import json
import re
import subprocess

import pytest

import harness

ROOT = harness.ROOT
MANUAL = (ROOT / "docs/manual.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in MANUAL.splitlines() if line.startswith("|")]


def sources():
    for pattern in ("connector/**/*.c", "schemas/*.c", "dlq/*.c", "sinks/**/*.c"):
        for path in ROOT.glob(pattern):
            yield path, path.read_text()


# How a code stands in the sources: with its class, in a table, or passed to a function that sets the class.
WORD = r'"([a-z][a-z0-9_]*)"'
CODES = [r"UPSINK_ERR_[A-Z_]+\s*,\s*" + WORD, r"\bdecoding_reject\(\s*d,\s*" + WORD, r"\bpg_reject\(batch, \w+,\s*" + WORD,
         r"_FAULT_\w+\] = \{" + WORD, r'\{"[0-9A-Z]*",\s*' + WORD + r"\}", r"\*?\bcode = " + WORD, r"code = [^;\"]*\? " + WORD,
         r"return [^;\"]*\? " + WORD + " : find_code", r"\(([a-z]+_[a-z_]+)\)\\n\""]


def test_every_error_code_has_its_line():
    codes = {}
    for path, text in sources():
        for pattern in CODES:
            for match in re.finditer(pattern, text):
                codes.setdefault(match[1], path.name)
    assert len(codes) > 100 and {"invalid_json", "nul_in_text", "sink_full", "dlq_refused", "unknown_topic", "value_out_of_range"} <= set(codes)
    told = {cells[0].strip("`") for cells in ROWS} | set(re.findall(r"`([a-z_]+)` \(", MANUAL))
    assert not {code: name for code, name in codes.items() if code not in told}
    assert not {cells[0] for cells in error_rows()} - {f"`{code}`" for code in codes}, "codes that the sources do not have"


def error_rows():
    section = MANUAL.split("\n## 8. Error codes", 1)[1].split("\n## 9.", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]


def test_every_error_code_stands_once_with_cause_and_remedy():
    rows = error_rows()
    assert len({row[0] for row in rows}) == len(rows)
    assert all(len(row) == 3 and row[1] and row[2] for row in rows)


def walk(properties, path=""):
    for name, option in properties.items():
        if "not" in option:
            yield path + name, None
        elif "properties" in option:
            yield from walk(option["properties"], f"{path}{name}.")
        elif "additionalProperties" in option and "properties" in (option["additionalProperties"] or {}):
            yield from walk(option["additionalProperties"]["properties"])
        else:
            yield path + name, option


def test_every_setting_has_its_line_with_the_default():
    schema = json.loads((ROOT / "schemas/definitions/upsink.schema.json").read_text())
    table = {cells[0].strip("`"): cells for cells in settings_rows()}
    settings = dict(walk(schema["properties"]))
    assert len(settings) > 35 and "batch.linger" in settings and "http.listen" in settings
    for name, option in settings.items():
        if option is None:
            assert re.search(rf"`{name}`", MANUAL), f"{name}, which a later version has"
        elif name != "kafka":
            assert name in table, name
            default = option.get("default")
            written = table[name][1].strip("`")
            assert written == ("" if default is None else str(default)), f"{name}: {default}"
    assert not [cells[0] for cells in settings_rows() if cells[0].strip("`") not in {*settings, "kafka", "views"}]


def settings_rows():
    section = MANUAL.split("\n## 2. Settings", 1)[1].split("\n## 3.", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]


def test_every_metric_has_its_line():
    text = (ROOT / "connector/metrics_render.c").read_text()
    names = set(re.findall(r'"((?:upsink|process)_[a-z_]+)", "', text)) | set(re.findall(r"# TYPE ((?:upsink|process)_[a-z_]+)", text))
    assert len(names) >= 12
    assert not [name for name in names if f"`{name}" not in MANUAL]


@pytest.mark.parametrize("path", sorted(p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"),
                                                                               *ROOT.glob("sinks/**/*.md")]))
def test_every_link_leads_somewhere(path):
    text = (ROOT / path).read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        if "://" in target:
            continue
        place = (ROOT / path).parent / file if file else ROOT / path
        assert place.exists(), target
        if anchor:
            titles = [re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
                      for line in place.read_text().splitlines() if line.startswith("#")]
            assert anchor in titles or re.sub(r"-\d+$", "", anchor) in titles, target


def test_the_files_that_the_documents_show_are_accepted(tmp_path):
    """Every YAML block that has views is a configuration without a mistake: only Kafka is not there."""
    blocks = [block for path in ("README.md", "docs/manual.md") for block in re.findall(r"```yaml\n(.*?)```", (ROOT / path).read_text(), re.S)
              if "views:" in block]
    assert blocks
    for block in blocks:
        (tmp_path / "c.yaml").write_text(block.replace("localhost:9092", "127.0.0.1:1"))
        done = subprocess.run([harness.UPSINK, "plan", "-c", "c.yaml"], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, env={"PATH": "/usr/bin:/bin", "PGPASSWORD": "x"})
        assert done.returncode == 1, done.stderr
        assert "Kafka can't be reached" in done.stderr
