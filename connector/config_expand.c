#include "config_node.h"

#include "buf.h"
#include "log.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SECRET_BYTES_MAX (64 * 1024)

/* The value of an environment variable, NULL where it is not set. */
static const char *find_variable(const struct config_loader *loader, const char *name, size_t len)
{
    for (char *const *entry = loader->environment; entry && *entry; entry++) {
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
            return *entry + len + 1;
    }
    return NULL;
}

static bool read_all(int fd, struct buf *content, size_t most)
{
    char chunk[4096];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            return true;
        buf_append(content, chunk, (size_t)got);
        if (content->failed || content->len > most) {
            errno = content->failed ? ENOMEM : EFBIG;
            return false;
        }
    }
}

struct upsink_slice config_read_file(struct config_loader *loader, const struct config_node *at,
                                     const char *path, size_t most)
{
    struct upsink_slice copy = UPSINK_SLICE_ABSENT;
    struct buf content;
    buf_init(&content);
    bool standard_input = strcmp(path, "-") == 0;
    int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !read_all(fd, &content, most)) {
        int reason = errno;
        char shown[160];
        log_escape(upsink_slice_of(path), shown, sizeof shown);
        config_fail(loader, at, "can't read %s: %s", standard_input ? "standard input" : shown,
                    strerror(reason));
        goto cleanup;
    }
    copy = arena_copy(loader->arena, buf_view(&content));
    if (!copy.data)
        upsink_fail(loader->err, UPSINK_ERR_FATAL, "out_of_memory", "out of memory while reading %s", path);
cleanup:
    if (fd >= 0 && !standard_input)
        close(fd);
    buf_destroy(&content);
    return copy;
}

static bool is_name(struct upsink_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.len > 0;
}

static bool expand_variable(struct config_loader *loader, const struct config_node *node,
                            struct upsink_slice body, struct buf *out)
{
    const char *fallback = memmem(body.data, body.len, ":-", 2);
    struct upsink_slice name = {body.data, fallback ? (size_t)(fallback - body.data) : body.len};
    if (!is_name(name))
        return config_fail(loader, node,
                           "${env:...} needs the name of an environment variable, as in ${env:NAME} or "
                           "${env:NAME:-default}");
    const char *value = find_variable(loader, name.data, name.len);
    if (fallback && (!value || !*value)) {
        buf_append(out, fallback + 2, body.len - name.len - 2);
        return true;
    }
    if (!value)
        return config_fail(loader, node,
                           "the environment variable %.*s is not set; set it, or write ${env:%.*s:-default}",
                           (int)name.len, name.data, (int)name.len, name.data);
    buf_append_text(out, value);
    return true;
}

static bool expand_file(struct config_loader *loader, const struct config_node *node,
                        struct upsink_slice body, struct buf *out)
{
    if (body.len == 0)
        return config_fail(loader, node, "${file:...} needs a path, as in ${file:/run/secrets/password}");
    bool relative = body.data[0] != '/' && loader->directory;
    const char *path = config_format(loader, "%s%s%.*s", relative ? loader->directory : "",
                                     relative ? "/" : "", (int)body.len, body.data);
    if (!path)
        return false;
    struct upsink_slice content = config_read_file(loader, node, path, SECRET_BYTES_MAX);
    if (!content.data)
        return false;
    if (content.len && content.data[content.len - 1] == '\n')
        content.len--;
    if (content.len && content.data[content.len - 1] == '\r')
        content.len--;
    buf_append_slice(out, content);
    return true;
}

/* The reference at `at`, which starts with "${"; *end is set behind it. */
static bool expand_reference(struct config_loader *loader, const struct config_node *node, const char *at,
                             const char **end, struct buf *out)
{
    const char *close = strchr(at, '}');
    if (!close)
        return config_fail(loader, node, "${ is never closed; write $${ for a literal ${");
    *end = close + 1;
    struct upsink_slice body = {at + 2, (size_t)(close - at) - 2};
    if (body.len >= 4 && memcmp(body.data, "env:", 4) == 0)
        return expand_variable(loader, node, (struct upsink_slice){body.data + 4, body.len - 4}, out);
    if (body.len >= 5 && memcmp(body.data, "file:", 5) == 0)
        return expand_file(loader, node, (struct upsink_slice){body.data + 5, body.len - 5}, out);
    return config_fail(
        loader, node,
        "${...} must be ${env:NAME}, ${env:NAME:-default} or ${file:PATH}; write $${ for a literal ${");
}

static bool expand_text(struct config_loader *loader, struct config_node *node, struct buf *out)
{
    const char *at = node->text;
    for (const char *dollar; (dollar = strchr(at, '$'));) {
        buf_append(out, at, (size_t)(dollar - at));
        if (dollar[1] == '{') {
            if (!expand_reference(loader, node, dollar, &at, out))
                return false;
            node->hidden = true;
        } else if (dollar[1] == '$' && dollar[2] == '{') {
            buf_append_text(out, "${");
            at = dollar + 3;
        } else {
            buf_append_byte(out, '$');
            at = dollar + 1;
        }
    }
    buf_append_text(out, at);
    if (out->failed)
        return upsink_fail(loader->err, UPSINK_ERR_FATAL, "out_of_memory",
                           "out of memory while reading the configuration");
    if (out->len && memchr(out->data, '\0', out->len))
        return config_fail(loader, node, "what ${...} stands for holds the character NUL");
    return true;
}

static bool expand_scalar(struct config_loader *loader, struct config_node *node)
{
    struct buf out;
    bool ok = true;
    if (!node->final && strstr(node->text, "${")) {
        buf_init(&out);
        ok = expand_text(loader, node, &out);
        if (ok)
            node->text = config_text(loader, buf_view(&out).data, out.len);
        ok = ok && node->text;
        buf_destroy(&out);
    }
    if (ok && !utf8_is_valid(node->text, strlen(node->text)))
        return config_fail(loader, node, "the value is not UTF-8 text");
    return ok;
}

bool config_expand(struct config_loader *loader, struct config_node *node)
{
    if (node->kind == CONFIG_SCALAR)
        return expand_scalar(loader, node);
    for (struct config_node *child = node->first; child; child = child->next) {
        if (!config_expand(loader, child))
            return false;
    }
    return true;
}

bool config_refers_to(const struct config_node *node, const char *name, size_t len)
{
    if (node->kind == CONFIG_SCALAR) {
        for (const char *at = node->text; (at = strstr(at, "${env:"));) {
            at += strlen("${env:");
            if (strncmp(at, name, len) == 0 && (at[len] == '}' || at[len] == ':'))
                return true;
        }
    }
    for (const struct config_node *child = node->first; child; child = child->next) {
        if (config_refers_to(child, name, len))
            return true;
    }
    return false;
}
