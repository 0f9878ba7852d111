"""The plugin interface as a stranger meets it: the sink of deploy/examples, built out of the tree against what
`make install` put in place and nothing else, and plugins that can't be used."""

import json
import os
import pathlib
import re
import shutil
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
C17, CXX17 = ["cc", "-std=c17"], ["c++", "-std=c++17"]
CLIENT_LIBRARIES = r"lib(pq|sqlite3|hiredis|mongoc|bson|curl)"
EVENTS = 2000


class Example:
    def __init__(self, runner, directory, only):
        self.run, self.count, self.only, self.runner = runner.run, runner.count, only, runner
        self.here = runner.ROOT / "tests/example"
        self.directory = pathlib.Path(directory)
        self.prefix, self.source = self.directory / "installed", self.directory / "files"
        self.program = self.prefix / "bin/upsink"
        sanitizer = {"build-asan": "asan", "build-tsan": "tsan"}.get(runner.BUILD.name, "")
        self.sanitize = {"asan": ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
                         "tsan": ["-fsanitize=thread"]}.get(sanitizer, [])
        self.make_words = ["make", "-s", f"BUILD={runner.BUILD.relative_to(runner.ROOT)}", f"prefix={self.prefix}",
                           *([f"SAN={sanitizer}"] if sanitizer else [])]

    def check(self, name, good, output=""):
        if not self.only or self.only in name:
            self.count(f"example: {name}", bool(good), str(output))

    def works(self, name, words, **environment):
        status, output = self.run(words, **environment)
        self.check(name, status == 0, output)
        return output

    def pkg_config(self, word):
        return self.run(["pkg-config", word, "upsink"], PKG_CONFIG_PATH=str(self.prefix / "lib/pkgconfig"))[1].strip()

    def needed(self, file):
        return re.findall(r"NEEDED.*\[(.*)\]", self.run(["readelf", "-d", file])[1])

    def install(self):
        status, output = self.run([*self.make_words, "install", "install-contract"])
        self.count("example: make install", status == 0, output)
        self.cflags, self.plugins = self.pkg_config("--cflags").split(), pathlib.Path(self.pkg_config("--variable=plugindir"))
        version = self.run([self.program, "--version"])[1].split()
        self.check("pkg-config tells version, plugin directory and ABI",
                   self.pkg_config("--modversion") in version and self.plugins == self.prefix / "lib/upsink"
                   and self.pkg_config("--variable=abi").isdigit(), version)
        libraries = self.needed(self.program)
        self.check("the program itself needs no sink's client library",
                   libraries and not [name for name in libraries if re.match(CLIENT_LIBRARIES, name)], libraries)
        return status == 0

    def check_headers(self):
        for header in ("sink", "error", "slice"):
            for compiler, suffix in ((C17, "c"), (CXX17, "cc")):
                alone = self.directory / f"alone.{suffix}"
                alone.write_text(f"#include <upsink/{header}.h>\n")
                self.works(f"{header}.h compiles alone with {' '.join(compiler)}",
                           [*compiler, *WARNINGS, *self.cflags, "-c", alone, "-o", self.directory / "alone.o"])
        plugin = self.directory / "bare_cxx.so"
        self.works("a plugin may be written in C++", [*CXX17, *WARNINGS, "-fPIC", "-fvisibility=hidden", "-shared", *self.cflags,
                                                      self.here / "bare.cc", "-o", plugin])
        symbols = self.run(["nm", "-D", "--defined-only", plugin])[1]
        self.check("a plugin in C++ exports its description", re.search(r" upsink_sink$", symbols, re.M), symbols)

    def build_sink(self):
        shutil.copytree(self.runner.ROOT / "deploy/examples/files", self.source, ignore=shutil.ignore_patterns("*.so"))
        flags = " ".join(self.sanitize)
        self.works("the sink builds and installs through pkg-config alone",
                   ["make", "-C", self.source, f"CFLAGS=-O1 -g -Werror {flags}", f"LDFLAGS={flags}", "install"],
                   PKG_CONFIG_PATH=str(self.prefix / "lib/pkgconfig"))
        libraries = self.needed(self.plugins / "libupsink_files.so")
        self.check("the sink needs nothing but libc", self.sanitize or libraries == ["libc.so.6"], libraries)
        output = self.works("the installed program takes the list of sinks", [self.program, "sinks"], UPSINK_PLUGIN_PATH="")
        self.check("the installed program lists it", re.search(r"^files +files: +a JSON file", output, re.M), output)

    def run_contract(self):
        views = self.directory / "views"
        views.mkdir()
        # Every step waits for the disk, and there are many.
        self.runner.run_cmocka(self.prefix / "bin/upsink-contract", "contract files", "--sink", f"files:{views}", "--cases", "100",
                               "--store", self.source / "store.sh", only=self.only, not_asked=self.runner.REFUSED, UPSINK_PLUGIN_PATH=str(self.source))
        status, output = self.run([self.prefix / "bin/upsink-contract", "--sink", f"files:{views}", "--filter", "a_table_that_was_dropped*"],
                                  UPSINK_PLUGIN_PATH=str(self.source))
        self.check("what the suite could not ask, it says", status == 0 and "1 test asked nothing" in output, output)
        status, output = self.run([self.prefix / "bin/upsink-contract", "--sink", "bare:x"], UPSINK_PLUGIN_PATH=str(self.bare("bare")))
        self.check("a sink that the suite can't ask is told what it needs", status == 2 and "read_row" in output, output)
        outside = [path for path in self.directory.rglob("*.json") if views not in path.parents]
        installed = [path for path in outside if self.prefix in path.parents]
        self.check("no key leads out of the directory", outside == installed, outside)

    def check_sink(self):
        """Always without sanitizers: they put functions of their own in the place of libc's, as the test does."""
        program, views, plain = self.directory / "files-test", self.directory / "troubles", self.directory / "plain"
        views.mkdir()
        shutil.copytree(self.source, plain, ignore=shutil.ignore_patterns("*.so"))
        self.works("the sink to be harmed builds", ["make", "-C", plain], PKG_CONFIG_PATH=str(self.prefix / "lib/pkgconfig"))
        self.works("the test of crashes compiles", [*C17, "-D_GNU_SOURCE", *WARNINGS, *self.cflags, "-rdynamic",
                                                    self.here / "files.c", "-o", program, "-ldl"])
        self.works("killed or out of space anywhere, no row steps back or stays behind", [program, plain / "libupsink_files.so", views])

    def check_demo(self):
        """A topic through the installed program into the directory."""
        views = self.directory / "demo"
        views.mkdir()
        output = self.works("the installed program keeps a view in it",
                            [self.program, "demo", "--events", str(EVENTS), "--sink", f"files:{views}?sync=none"],
                            UPSINK_PLUGIN_PATH="")
        rows = [path for path in views.glob("*/*.json")]
        self.check("every row is a file with JSON in it", rows and all(isinstance(json.loads(path.read_text()), dict) for path in rows), output)

    def compile_bare(self, where, name, abi, size, *more):
        words = [*C17, *WARNINGS, "-fPIC", "-shared", *self.cflags, f'-DNAME="{name}"', f"-DABI={abi}", f"-DSIZE={size}",
                 self.here / "bare.c", *more, "-o", where / f"libupsink_{name}.so"]
        self.works(f"the plugin {name} compiles", words)

    def bare(self, name, *more):
        where = self.directory / f"plugin-{name}"
        where.mkdir()
        self.compile_bare(where, name, "UPSINK_SINK_ABI", "sizeof(struct upsink_sink_type)", *more)
        return where

    def check_unusable(self):
        """Each alone breaks whoever loads it, or is never found; the list says so of it, and shows the others."""
        crash = self.directory / "crash.c"
        crash.write_text("#include <stdlib.h>\n__attribute__((constructor)) static void crash(void) { abort(); }\n")
        leave = self.directory / "leave.c"
        leave.write_text("#include <stdlib.h>\n__attribute__((constructor)) static void leave(void) { exit(0); }\n")
        aborts, leaves, cut, renamed = self.bare("aborts", crash), self.bare("leaves", leave), self.bare("cut"), self.bare("renamed")
        os.truncate(cut / "libupsink_cut.so", 3000)
        (renamed / "libupsink_renamed.so").rename(renamed / "libupsink_other.so")
        upper, dangling = self.bare("Upper"), self.directory / "plugin-dangling"
        dangling.mkdir()
        (dangling / "libupsink_dangling.so").symlink_to("/nowhere/libupsink_dangling.so")
        for where, name, reason in ((aborts, "aborts", "Aborted"), (leaves, "leaves", "it exits"), (cut, "cut", "damaged"), (renamed, "other", "renamed:"),
                                    (upper, "Upper", "lower case"), (dangling, "dangling", "No such file")):
            output = self.works(f"{name}: the list survives", [self.program, "sinks", "-o", "json"], UPSINK_PLUGIN_PATH=str(where))
            found = {line["name"]: line.get("problem") for line in map(json.loads, output.splitlines())}
            self.check(f"{name}: the list tells why it can't be used", reason in (found.get(name) or ""), output)
            self.check(f"{name}: all others are there", "sqlite" in found and not found["sqlite"], output)
            status, output = self.run([self.program, "sinks", name], UPSINK_PLUGIN_PATH=str(where))
            self.check(f"{name}: asked for alone, exit 2 and the reason", status == 2 and reason in output, output)

    def check_odd_plugins(self):
        odd, abi = self.directory / "odd", int(self.pkg_config("--variable=abi") or 0)
        odd.mkdir()
        client = odd / "libclient_of_mine.so.3"
        source = odd / "client.c"
        source.write_text("int client_of_mine(void);\nint client_of_mine(void) { return 1; }\n")
        self.run(["cc", "-fPIC", "-shared", f"-Wl,-soname,{client.name}", source, "-o", client])
        whole = "sizeof(struct upsink_sink_type)"
        self.compile_bare(odd, "later", "UPSINK_SINK_ABI+1", whole)
        self.compile_bare(odd, "smaller", "UPSINK_SINK_ABI", "UPSINK_SINK_SIZE_MIN-8")
        self.compile_bare(odd, "larger", "UPSINK_SINK_ABI", f"{whole}+64")
        self.compile_bare(odd, "clientless", "UPSINK_SINK_ABI", whole, "-Wl,--no-as-needed", client)
        client.unlink()
        output = self.works("the list of sinks survives plugins that can't be used", [self.program, "sinks", "-o", "json"],
                            UPSINK_PLUGIN_PATH=str(odd))
        found = {line["name"]: line.get("problem") for line in map(json.loads, output.splitlines())}
        why = {name: found.get(name) or "" for name in ("later", "smaller", "clientless")}
        self.check("another ABI is refused with the file and both numbers", f"{odd}/libupsink_later.so" in why["later"]
                   and f"version {abi + 1} " in why["later"] and f"version {abi}:" in why["later"], output)
        sizes = re.search(r"in (\d+) bytes .* needs (\d+)", why["smaller"])
        self.check("a smaller description is refused with the file and both sizes", sizes
                   and f"{odd}/libupsink_smaller.so" in why["smaller"] and int(sizes[1]) == int(sizes[2]) - 8, output)
        self.check("a plugin without its client library is named with the library",
                   client.name in why["clientless"] and f"{odd}/libupsink_clientless.so" in why["clientless"], output)
        self.check("and with the package that has it", "package libclient-of-mine3)" in why["clientless"], output)
        self.check("the plugin of a later minor version and all others work beside them",
                   all(name in found and not found[name] for name in ("larger", "files", "sqlite", "stdout")), output)
        for name, reason in why.items():
            status, output = self.run([self.program, "run", "--brokers", "127.0.0.1:1", "--topic", "t", "--sink", f"{name}:x"],
                                      timeout=60, UPSINK_PLUGIN_PATH=str(odd))
            self.check(f"a view into {name}: ends with exit 2 and the reason", status == 2 and reason and reason in output, output)

    def uninstall(self):
        mine = self.plugins / "libupsink_files.so"
        self.works("make uninstall", [*self.make_words, "uninstall"])
        left = [path for path in self.prefix.rglob("*") if not path.is_dir()]
        self.check("make uninstall leaves nothing but the plugin of somebody else", left == [mine], left)
        mine.unlink(missing_ok=True)
        self.run([*self.make_words, "uninstall"])
        left = list(self.prefix.rglob("upsink"))
        self.check("make uninstall leaves no directory of its own", not left, left)


def ask(runner, only):
    with tempfile.TemporaryDirectory(prefix="upsink-example-") as directory:
        example = Example(runner, directory, only)
        if not example.install():
            return
        example.check_headers()
        example.build_sink()
        example.run_contract()
        example.check_sink()
        example.check_demo()
        example.check_unusable()
        example.check_odd_plugins()
        example.uninstall()
