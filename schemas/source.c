#include "source.h"

#include "json_lex.h"
#include "json_text.h"
#include "text_check.h"

struct upsink_slice source_header(const struct record *record, const char *name)
{
    return record->header ? record->header(record->header_context, name) : UPSINK_SLICE_ABSENT;
}

struct found source_find(const struct decoding *d, const struct source *source)
{
    const char *header = source->header;
    const struct json_value *value;
    if (!header && d->shape == SHAPE_BINARY && !source->in_data) {
        header = source->attribute;
        if (!header)
            return (struct found){NULL, UPSINK_SLICE_ABSENT};
    }
    if (header)
        return (struct found){NULL, source_header(d->record, header)};
    value = &d->values[source->slot];
    return (struct found){value->type == JSON_TYPE_ABSENT ? NULL : value, UPSINK_SLICE_ABSENT};
}

static enum source_state refuse(struct decoding *d, const struct source *source, const char *why)
{
    decoding_reject(d, "invalid_field", source->name, "%.200s can't be used: %s", source->name, why);
    return SOURCE_UNUSABLE;
}

static enum source_state header_text(struct decoding *d, const struct source *source,
                                     struct upsink_slice header, struct upsink_slice *text)
{
    size_t position;
    switch (text_check(header, &position)) {
    case TEXT_HAS_NUL:
        return refuse(d, source, "the header holds a NUL character");
    case TEXT_IS_NOT_UTF8:
        return refuse(d, source, "the header is not well-formed UTF-8");
    case TEXT_IS_FINE:
        break;
    }
    *text = header;
    return SOURCE_FOUND;
}

/* Whether the value is a scalar that has a text. */
static enum source_state check_json(struct decoding *d, const struct source *source,
                                    const struct json_value *value)
{
    switch (value->type) {
    case JSON_TYPE_ABSENT:
    case JSON_TYPE_NULL:
        return SOURCE_MISSING;
    case JSON_TYPE_ARRAY:
    case JSON_TYPE_OBJECT:
        return refuse(d, source, "a text, a number or a boolean is needed, not an array or object");
    case JSON_TYPE_STRING:
        if (value->has_nul)
            return refuse(d, source, "the text holds a NUL character");
        break;
    case JSON_TYPE_BOOL:
    case JSON_TYPE_NUMBER:
        break;
    }
    return SOURCE_FOUND;
}

enum source_state source_text(struct decoding *d, const struct source *source, struct upsink_slice *text)
{
    const struct found found = source_find(d, source);
    enum source_state state;
    if (found.header.data)
        return header_text(d, source, found.header, text);
    if (!found.json)
        return SOURCE_MISSING;
    state = check_json(d, source, found.json);
    if (state != SOURCE_FOUND)
        return state;
    *text = found.json->raw;
    if (found.json->type != JSON_TYPE_STRING)
        return SOURCE_FOUND;
    if (!found.json->escaped) {
        *text = (struct upsink_slice){text->data + 1, text->len - 2};
        return SOURCE_FOUND;
    }
    if (json_text_decode(found.json->raw, d->arena, text, d->err))
        return SOURCE_FOUND;
    decoding_failed(d);
    return SOURCE_UNUSABLE;
}

/* A JSON string may hold it as it is. */
static bool is_literal(char c)
{
    return json_lex_is_plain(c) || (unsigned char)c >= 0x80;
}

static bool is_plain(struct upsink_slice text)
{
    return json_lex_plain(text.data, text.data + text.len) == text.data + text.len;
}

/* How many bytes write_string writes. */
static size_t string_size(struct upsink_slice text)
{
    size_t size = text.len + 2;
    if (is_plain(text))
        return size;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_literal(text.data[i]))
            size += text.data[i] == '"' || text.data[i] == '\\' ? 1 : 5;
    }
    return size;
}

static char *write_inside(struct upsink_slice text, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.data[i];
        if (is_literal(c)) {
            *out++ = c;
        } else if (c == '"' || c == '\\') {
            *out++ = '\\';
            *out++ = c;
        } else {
            memcpy(out, "\\u00", 4);
            out[4] = digits[c >> 4];
            out[5] = digits[c & 15];
            out += 6;
        }
    }
    return out;
}

/* As a JSON string; returns where it ends. */
static char *write_string(struct upsink_slice text, char *out)
{
    *out++ = '"';
    if (is_plain(text)) {
        memcpy(out, text.data, text.len);
        out += text.len;
    } else {
        out = write_inside(text, out);
    }
    *out++ = '"';
    return out;
}

static bool join_texts(struct decoding *d, const struct upsink_slice *texts, size_t count,
                       struct upsink_slice *joined)
{
    size_t size = count + 1;
    char *out, *to;
    for (size_t i = 0; i < count; i++)
        size += string_size(texts[i]);
    out = arena_alloc(d->arena, size);
    if (!out) {
        upsink_fail(d->err, UPSINK_ERR_FATAL, "out_of_memory",
                    "out of memory for a change id of %zu bytes; give the process more memory", size);
        return decoding_failed(d);
    }
    to = out;
    for (size_t i = 0; i < count; i++) {
        *to++ = i ? ',' : '[';
        to = write_string(texts[i], to);
    }
    *to++ = ']';
    *joined = (struct upsink_slice){out, (size_t)(to - out)};
    return true;
}

enum source_state source_texts(struct decoding *d, const struct source *sources, size_t count,
                               struct upsink_slice *text, const struct source **which)
{
    struct upsink_slice texts[SOURCES_MAX];
    for (size_t i = 0; i < count; i++) {
        enum source_state state = source_text(d, &sources[i], &texts[i]);
        *which = &sources[i];
        if (state != SOURCE_FOUND)
            return state;
    }
    if (count > 1)
        return join_texts(d, texts, count, text) ? SOURCE_FOUND : SOURCE_UNUSABLE;
    *text = texts[0];
    return SOURCE_FOUND;
}
