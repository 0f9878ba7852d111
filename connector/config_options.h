/* The table of everything that can be configured: it drives parsing, types, bounds, defaults, hints,
 * environment names, the JSON Schema and the manual. Internal to the configuration and to what describes it.
 */
#ifndef UPSINK_CONFIG_OPTIONS_H
#define UPSINK_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_SECTION,    /* a map of `options` */
    OPTION_VIEWS,      /* a map of views, each a section of `options` */
    OPTION_PROPERTIES, /* a map of names that are not ours to scalars */
    OPTION_TEXT,
    OPTION_TEXTS,   /* one text or a list of them */
    OPTION_POINTER, /* a JSON Pointer */
    OPTION_SOURCE,  /* a JSON Pointer or header:NAME */
    OPTION_SOURCES, /* one source or a list of them, or the one word in `words` */
    OPTION_LITERAL, /* a scalar, kept as JSON text */
    OPTION_WORD,    /* one of `words`; stored as its position */
    OPTION_INTEGER,
    OPTION_SIZE,     /* bytes */
    OPTION_DURATION, /* microseconds */
    OPTION_SHARE,    /* a percentage, or off */
    OPTION_LATER     /* recognised, and refused: not supported by this version */
};

struct config_option {
    const char *name; /* NULL ends a table */
    enum option_type type;
    const char *help;     /* a sentence without a full stop */
    const char *fallback; /* the default, as a user would write it; NULL: none */
    const char *words;    /* "a|b|c" */
    const char *later;    /* words that are recognised, and refused */
    const char *synonyms; /* "a|b": what else people call it, for hints */
    int64_t least, most;  /* of numbers, inclusive */
    bool secret;          /* messages never show its value */
    /* Where the value goes in struct config or, below views, struct view_config. */
    size_t offset, size;
    size_t more_offset; /* of lists: their count */
    size_t word_offset; /* of SOURCES: the bool that the word sets */
    const struct config_option *options;
};

/* The top level; its last entry has no name. */
extern const struct config_option config_options[];

/* The option of that name in a table, or NULL. */
const struct config_option *config_option_find(const struct config_option *options, const char *name);

#endif
