/* Finds the plugin for a URL and loads it.
 *
 * A scheme names its plugin: a built-in table for the sinks that we ship, otherwise libupsink_<scheme>.so. It
 * is searched for in UPSINK_PLUGIN_PATH (separated by colons), in <directory of the program>/sinks (a build
 * tree), in <directory of the program>/../lib/upsink, and where `make install` put it; the first file of that
 * name counts, also where it can't be loaded. A plugin once loaded stays until the process ends. Any thread
 * may find one. */
#ifndef UPSINK_REGISTRY_H
#define UPSINK_REGISTRY_H

#include "error.h"
#include "sinks/sink.h"

/* The sink that serves the URL. NULL with UPSINK_ERR_CONFIG: "bad_url", "unknown_sink" (no such plugin),
 * "sink_not_loaded" (a client library is missing, or the file is no plugin) or "sink_abi" (made for another
 * version). */
UPSINK_NODISCARD const struct upsink_sink_type *registry_find(const char *url, struct upsink_error *err);

/* A plugin file that was found. All texts live for the length of the call. */
struct registry_entry {
    const char *name; /* as in libupsink_<name>.so */
    const char *path;
    const struct upsink_sink_type *type; /* NULL: it can't be loaded, and... */
    const char *problem;                 /* ...why */
};

/* Visits every plugin, sorted by name; tries each in a child process first, so it is for programs of one
 * thread. One that no URL leads to, as its file has another name than its schemes, has that for a problem.
 * False only when out of memory. */
bool registry_list(void (*visit)(void *context, const struct registry_entry *entry), void *context,
                   struct upsink_error *err);

/* Whether a plugin's description can be used by this program; `path` is for the message. */
bool registry_check(const struct upsink_sink_type *type, const char *path, struct upsink_error *err);

#endif
