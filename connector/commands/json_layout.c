#include "json_layout.h"

struct layout {
    struct buf *out;
    int indent, margin, depth;
};

static void break_line(const struct layout *layout)
{
    if (layout->indent > 0)
        buf_printf(layout->out, "\n%*s", layout->margin + layout->indent * layout->depth, "");
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The length of the string at the start of the bytes, quotes included. */
static size_t string_len(const char *at, const char *end)
{
    const char *next = at + 1;
    while (next < end && *next != '"')
        next += *next == '\\' && next + 1 < end ? 2 : 1;
    return (size_t)(next - at) + (next < end);
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* DEL and the C1 control characters, which JSON allows as they are, would steer a terminal. */
static void append_visibly(struct buf *out, const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)at[i];
        if (byte == 0x7F)
            buf_append_text(out, "\\u007f");
        else if (byte == 0xC2 && i + 1 < len && (unsigned char)at[i + 1] < 0xA0)
            buf_printf(out, "\\u%04x", (unsigned char)at[++i]);
        else
            buf_append_byte(out, at[i]);
    }
}

void json_layout(struct upsink_slice text, int indent, int margin, struct buf *out)
{
    struct layout layout = {.out = out, .indent = indent, .margin = margin};
    const char *end = text.data + text.len;
    for (const char *at = skip_space(text.data, end); at < end; at = skip_space(at, end)) {
        size_t len = *at == '"' ? string_len(at, end) : 1;
        const char *next = skip_space(at + len, end);
        bool closes_at_once = next < end && (*next == '}' || *next == ']');
        if (*at == '}' || *at == ']')
            layout.depth--;
        if ((*at == '}' || *at == ']') && at > text.data && out->len && out->data[out->len - 1] != '{' &&
            out->data[out->len - 1] != '[')
            break_line(&layout);
        if (indent > 0)
            append_visibly(out, at, len);
        else
            buf_append(out, at, len);
        if (*at == '{' || *at == '[') {
            layout.depth++;
            if (!closes_at_once)
                break_line(&layout);
        } else if (*at == ',')
            break_line(&layout);
        else if (*at == ':' && indent > 0)
            buf_append_byte(out, ' ');
        at += len;
    }
}
