#include "log.h"

#include "clock.h"
#include "utf8.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* PIPE_BUF on Linux */
#define TEXT_MAX_BYTES 512  /* of one field, before escaping; the longest escape is six bytes for one */
#define TAIL_BYTES     24   /* room kept for ` truncated=true` or `,"truncated":true}` and the newline */

static _Atomic int minimum_level = LOG_LEVEL_INFO;
static _Atomic bool as_json;
static _Atomic int descriptor = STDERR_FILENO;

enum style { STYLE_BARE, STYLE_QUOTED, STYLE_JSON };

struct line {
    char *bytes;
    size_t len, capacity;
    bool full;
};

static void put(struct line *line, const char *bytes, size_t len)
{
    if (line->full || len > line->capacity - line->len) {
        line->full = true;
        return;
    }
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static bool is_control(uint32_t code)
{
    /* C0, DEL and C1, line separators, and what reorders the text around it. */
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* One character, or one byte of a malformed sequence; returns how many bytes it took. */
static size_t put_character(struct line *line, const char *bytes, size_t len, enum style style)
{
    uint32_t code = 0;
    char escape[12];
    size_t size = utf8_decode(bytes, len, &code);
    if (size == 0) {
        /* JSON knows no bytes: the replacement character stands for each. */
        snprintf(escape, sizeof escape, style == STYLE_JSON ? "\\ufffd" : "\\x%02x", (unsigned char)bytes[0]);
        put_text(line, escape);
        return 1;
    }
    if (is_control(code)) {
        if (code == '\n' || code == '\r' || code == '\t')
            snprintf(escape, sizeof escape, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
        else
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code);
        put_text(line, escape);
    } else {
        if (style != STYLE_BARE && (code == '"' || code == '\\'))
            put(line, "\\", 1);
        put(line, bytes, size);
    }
    return size;
}

static void put_escaped(struct line *line, struct upsink_slice text, size_t most, enum style style)
{
    size_t at = 0;
    while (at < text.len && at < most)
        at += put_character(line, text.data + at, text.len - at, style);
    if (at < text.len)
        put_text(line, "…");
}

/* Bare words need no quotes in key=value text. */
static bool is_word(struct upsink_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return text.len > 0;
}

static void put_value(struct line *line, const struct log_field *field, bool json)
{
    char number[40];
    switch (field->type) {
    case LOG_FIELD_TEXT:
        if (!json && is_word(field->text)) {
            put_escaped(line, field->text, TEXT_MAX_BYTES, STYLE_BARE);
            return;
        }
        put_text(line, "\"");
        put_escaped(line, field->text, TEXT_MAX_BYTES, json ? STYLE_JSON : STYLE_QUOTED);
        put_text(line, "\"");
        return;
    case LOG_FIELD_INTEGER:
        snprintf(number, sizeof number, "%lld", (long long)field->integer);
        break;
    case LOG_FIELD_REAL:
        if (isfinite(field->real))
            snprintf(number, sizeof number, "%.6g", field->real);
        else
            snprintf(number, sizeof number, "null");
        break;
    case LOG_FIELD_BOOLEAN:
        snprintf(number, sizeof number, "%s", field->boolean ? "true" : "false");
        break;
    }
    put_text(line, number);
}

/* A field stands whole or not at all. */
static void put_field(struct line *line, const struct log_field *field, bool json)
{
    size_t before = line->len;
    if (field->type == LOG_FIELD_TEXT && !field->text.data)
        return;
    if (line->len > (json ? 1 : 0))
        put_text(line, json ? "," : " ");
    if (json)
        put_text(line, "\"");
    put_text(line, field->name);
    put_text(line, json ? "\":" : "=");
    put_value(line, field, json);
    if (line->full)
        line->len = before;
}

static void write_line(const char *bytes, size_t len)
{
    int fd = atomic_load(&descriptor);
    while (len > 0) {
        ssize_t done = write(fd, bytes, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return; /* nobody listens, or the pipe is full and does not wait: the service goes on */
        bytes += done;
        len -= (size_t)done;
    }
}

void log_write_fields(enum log_level level, const char *text, const struct log_field *fields)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (!log_enabled(level))
        return;
    int saved = errno;
    bool json = atomic_load(&as_json);
    char bytes[LINE_MAX_BYTES];
    struct line line = {bytes, 0, sizeof bytes - TAIL_BYTES, false};
    char now[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_us(), now);
    if (json)
        put_text(&line, "{");
    put_field(&line, &LOG_STR("time", now), json);
    put_field(&line, &LOG_STR("level", names[level]), json);
    put_field(&line, &LOG_STR("msg", text), json);
    bool truncated = false;
    for (const struct log_field *field = fields; field->name; field++) {
        put_field(&line, field, json);
        truncated |= line.full;
        line.full = false;
    }
    line.capacity = sizeof bytes;
    if (truncated)
        put_field(&line, &LOG_BOOL("truncated", true), json);
    put_text(&line, json ? "}\n" : "\n");
    write_line(line.bytes, line.len);
    errno = saved;
}

void log_configure(enum log_level level, bool json)
{
    atomic_store(&minimum_level, (int)level);
    atomic_store(&as_json, json);
}

void log_set_descriptor(int fd)
{
    atomic_store(&descriptor, fd);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&minimum_level, memory_order_relaxed);
}

bool log_limit_pass(struct log_limit *limit, int64_t interval_us, int64_t *held_back)
{
    int64_t now = clock_monotonic_us();
    int64_t open_at = atomic_load(&limit->open_at_us);
    /* Of several threads that come at once only one moves the mark. */
    if ((open_at != 0 && now < open_at) ||
        !atomic_compare_exchange_strong(&limit->open_at_us, &open_at, now + interval_us)) {
        atomic_fetch_add(&limit->held_back, 1);
        return false;
    }
    *held_back = atomic_exchange(&limit->held_back, 0);
    return true;
}

void log_escape(struct upsink_slice text, char *out, size_t size)
{
    static const char ellipsis[] = "…";
    if (size < sizeof ellipsis + 1) {
        if (size)
            out[0] = '\0';
        return;
    }
    struct line line = {out, 0, size - sizeof ellipsis, false};
    for (size_t at = 0; at < text.len && !line.full;)
        at += put_character(&line, text.data + at, text.len - at, STYLE_BARE);
    bool cut = line.full;
    line.capacity = size;
    line.full = false;
    if (cut)
        put_text(&line, ellipsis);
    out[line.len] = '\0';
}
