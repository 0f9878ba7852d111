#include "es_json.h"

#include "schemas/json_lex.h"
#include "schemas/json_scan.h"
#include "schemas/json_text.h"

#include <stdlib.h>

static bool fails(struct es_json *json)
{
    json->bad = true;
    return false;
}

static bool skip_space(struct es_json *json)
{
    if (json->bad)
        return false;
    json->at = json_lex_space(json->at, json->end);
    return json->at < json->end || fails(json);
}

bool es_json_enter(struct es_json *json, char bracket)
{
    if (!skip_space(json) || *json->at != bracket)
        return fails(json);
    json->at++;
    return true;
}

/* Behind the opening quote: steps over the closing one. */
static bool skip_string(struct es_json *json)
{
    for (;;) {
        json->at = json_lex_plain(json->at, json->end);
        if (json->at == json->end)
            return fails(json);
        char c = *json->at++;
        if (c == '"')
            return true;
        if (c == '\\') {
            if (json->at == json->end)
                return fails(json);
            json->at++;
        }
    }
}

bool es_json_element(struct es_json *json)
{
    if (!skip_space(json))
        return false;
    if (*json->at == ',') {
        json->at++;
        if (!skip_space(json))
            return false;
    }
    if (*json->at != ']' && *json->at != '}')
        return true;
    json->at++;
    return false;
}

bool es_json_member(struct es_json *json, struct upsink_slice *name)
{
    if (!es_json_element(json))
        return false;
    const char *begin = json->at;
    if (*json->at++ != '"' || !skip_string(json))
        return fails(json);
    *name = (struct upsink_slice){begin, (size_t)(json->at - begin)};
    if (!skip_space(json) || *json->at++ != ':')
        return fails(json);
    return true;
}

static bool skip_nested(struct es_json *json)
{
    size_t depth = 0;
    while (json->at < json->end) {
        char c = *json->at++;
        if (c == '"' && !skip_string(json))
            return false;
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            return true;
    }
    return fails(json);
}

struct upsink_slice es_json_value(struct es_json *json)
{
    if (!skip_space(json))
        return UPSINK_SLICE_ABSENT;
    const char *begin = json->at;
    bool good = true;
    if (*begin == '"') {
        json->at++;
        good = skip_string(json);
    } else if (*begin == '{' || *begin == '[') {
        good = skip_nested(json);
    } else {
        while (json->at < json->end && !strchr(",]} \t\r\n", *json->at))
            json->at++;
        good = json->at > begin || fails(json);
    }
    return good ? (struct upsink_slice){begin, (size_t)(json->at - begin)} : UPSINK_SLICE_ABSENT;
}

bool es_json_is(struct upsink_slice raw_name, const char *name)
{
    size_t len = strlen(name);
    return raw_name.len == len + 2 && memcmp(raw_name.data + 1, name, len) == 0;
}

static bool is_name(struct upsink_slice raw, const char *name, size_t len)
{
    return (len == 1 && *name == '*') || (raw.len == len + 2 && memcmp(raw.data + 1, name, len) == 0);
}

struct upsink_slice es_json_find(struct upsink_slice text, const char *path)
{
    struct upsink_slice found = text;
    while (*path && found.data) {
        size_t len = strcspn(path, ".");
        struct es_json json = es_json_of(found);
        struct upsink_slice name, value;
        found = UPSINK_SLICE_ABSENT;
        if (!es_json_enter(&json, '{'))
            break;
        while (!found.data && es_json_member(&json, &name)) {
            value = es_json_value(&json);
            if (is_name(name, path, len))
                found = value;
        }
        path += len + (path[len] == '.');
    }
    return found;
}

int64_t es_json_int(struct upsink_slice raw, int64_t fallback)
{
    bool negative = raw.len && *raw.data == '-';
    size_t i = negative;
    uint64_t value = 0;
    if (!raw.data || raw.len == i || raw.len > i + 19)
        return fallback;
    for (; i < raw.len; i++) {
        if (!json_lex_is_digit(raw.data[i]))
            return fallback;
        value = value * 10 + (uint64_t)(raw.data[i] - '0');
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return fallback;
    return negative ? -(int64_t)(value - 1) - 1 : (int64_t)value;
}

bool es_json_true(struct upsink_slice raw)
{
    return upsink_slice_is(raw, "true");
}

bool es_json_text(struct upsink_slice raw, struct arena *arena, struct upsink_slice *text)
{
    struct json_scan_result result;
    *text = UPSINK_SLICE_ABSENT;
    if (!raw.data || raw.len < 2 || *raw.data != '"')
        return true;
    if (!memchr(raw.data, '\\', raw.len)) {
        *text = (struct upsink_slice){raw.data + 1, raw.len - 2};
        return true;
    }
    if (!json_scan(NULL, JSON_WHOLE, raw, NULL, NULL, &result, NULL))
        return true;
    return json_text_decode(raw, arena, text, NULL);
}

void es_json_copy(struct upsink_slice raw, char *out, size_t size)
{
    struct upsink_slice text;
    struct arena arena;
    arena_init(&arena, 1024);
    if (!es_json_text(raw, &arena, &text) || !text.data)
        text = UPSINK_SLICE_LIT("");
    size_t len = text.len < size ? text.len : size - 1;
    memcpy(out, text.data, len);
    out[len] = '\0';
    arena_destroy(&arena);
}
