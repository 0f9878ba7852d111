#include "config_node.h"

#include "buf.h"
#include "log.h"
#include "url.h"

#include <stdlib.h>

#define NODES_MAX 20000

static bool fail_memory(struct config_loader *loader)
{
    return upsink_fail(loader->err, UPSINK_ERR_FATAL, "out_of_memory",
                       "out of memory while reading the configuration");
}

void *config_alloc(struct config_loader *loader, size_t count, size_t size)
{
    void *memory = arena_alloc_array(loader->arena, count, size);
    if (memory)
        memset(memory, 0, count * size);
    else
        fail_memory(loader);
    return memory;
}

struct config_node *config_node_create(struct config_loader *loader, enum config_kind kind,
                                       const char *origin, size_t line)
{
    if (++loader->node_count > NODES_MAX) {
        upsink_fail(loader->err, UPSINK_ERR_CONFIG, "config_invalid",
                    "%s: more than %d values in one configuration", origin, NODES_MAX);
        return NULL;
    }
    struct config_node *node = config_alloc(loader, 1, sizeof *node);
    if (!node)
        return NULL;
    node->kind = kind;
    node->origin = origin;
    node->line = line;
    return node;
}

void config_node_append(struct config_node *parent, struct config_node *child)
{
    child->parent = parent;
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

struct config_node *config_node_find(const struct config_node *node, const char *name)
{
    if (!node || node->kind != CONFIG_MAP)
        return NULL;
    for (struct config_node *child = node->first; child; child = child->next) {
        if (strcmp(child->name, name) == 0)
            return child;
    }
    return NULL;
}

const char *config_text(struct config_loader *loader, const char *text, size_t len)
{
    struct upsink_slice copy = arena_copy(loader->arena, (struct upsink_slice){text, len});
    if (!copy.data)
        fail_memory(loader);
    return copy.data;
}

const char *config_format(struct config_loader *loader, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) {
        fail_memory(loader);
        return NULL;
    }
    const char *copy = config_text(loader, text, (size_t)len);
    free(text);
    return copy;
}

void config_path(const struct config_node *node, char path[CONFIG_PATH_SIZE])
{
    char shown[CONFIG_SHOWN_SIZE];
    path[0] = '\0';
    if (!node || !node->parent)
        return;
    config_path(node->parent, path);
    if (!node->name) /* an item of a list is called like its list */
        return;
    size_t len = strlen(path);
    config_shown_name(node->name, shown);
    snprintf(path + len, CONFIG_PATH_SIZE - len, "%s%s", len ? "." : "", shown);
}

/* "upsink.yaml:12: "; the name of a file may be anything. */
static void format_place(const struct config_node *at, char place[160])
{
    char origin[128];
    log_escape(upsink_slice_of(at->origin), origin, sizeof origin);
    if (at->line)
        snprintf(place, 160, "%s:%zu: ", origin, at->line);
    else
        snprintf(place, 160, "%s: ", origin);
}

bool config_fail(struct config_loader *loader, const struct config_node *at, const char *format, ...)
{
    char place[160], path[CONFIG_PATH_SIZE], sentence[400];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    format_place(at, place);
    config_path(at, path);
    return upsink_fail(loader->err, UPSINK_ERR_CONFIG, "config_invalid", "%s%s%s%s", place, path,
                       path[0] ? ": " : "", sentence);
}

bool config_fail_plain(struct config_loader *loader, const struct config_node *at, const char *format, ...)
{
    char place[160], sentence[400];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    format_place(at, place);
    return upsink_fail(loader->err, UPSINK_ERR_CONFIG, "config_invalid", "%s%s", place, sentence);
}

const char *config_shown(const struct config_node *node, bool secret, char shown[CONFIG_SHOWN_SIZE])
{
    struct buf redacted; /* a URL with a password may stand where it does not belong */
    buf_init(&redacted);
    if (!secret && !node->hidden)
        url_redact(&redacted, node->text);
    if (secret || node->hidden || redacted.failed) {
        snprintf(shown, CONFIG_SHOWN_SIZE, "the value");
    } else {
        shown[0] = '"';
        log_escape(buf_view(&redacted), shown + 1, CONFIG_SHOWN_SIZE - 2);
        size_t len = strlen(shown);
        shown[len] = '"';
        shown[len + 1] = '\0';
    }
    buf_destroy(&redacted);
    return shown;
}

void config_shown_name(const char *name, char shown[CONFIG_SHOWN_SIZE])
{
    log_escape((struct upsink_slice){name, strcspn(name, ":=")}, shown, CONFIG_SHOWN_SIZE);
}
