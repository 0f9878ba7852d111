#include "terminal.h"

#include "clock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 30 };

static bool is_terminal(FILE *out)
{
    const char *kind = getenv("TERM");
    return isatty(fileno(out)) && kind && *kind && strcmp(kind, "dumb") != 0;
}

struct style terminal_style(FILE *out)
{
    const char *refused = getenv("NO_COLOR");
    if ((refused && *refused) || !is_terminal(out))
        return (struct style){"", "", "", "", ""};
    return (struct style){"\033[1m", "\033[32m", "\033[31m", "\033[2m", "\033[0m"};
}

void progress_init(struct progress *progress)
{
    *progress = (struct progress){.bar = is_terminal(stderr)};
    fflush(stdout);
}

static void draw_bar(uint64_t done, uint64_t all, const char *text)
{
    char bar[BAR + 1];
    size_t filled = all ? (size_t)((double)done / (double)all * BAR) : 0;
    if (filled > BAR)
        filled = BAR;
    memset(bar, '#', filled);
    memset(bar + filled, '.', BAR - filled);
    bar[BAR] = '\0';
    fprintf(stderr, "\r\033[K  [%s] %s", bar, text);
}

void progress_show(struct progress *progress, uint64_t done, uint64_t all, const char *text)
{
    int64_t now = clock_monotonic_us();
    if (now < progress->next_at_us)
        return;
    progress->next_at_us = now + (progress->bar ? CLOCK_SECOND / 10 : CLOCK_SECOND);
    progress->drawn = true;
    if (progress->bar)
        draw_bar(done, all, text);
    else if (strcmp(progress->last, text) != 0)
        fprintf(stderr, "  %s\n", text);
    snprintf(progress->last, sizeof progress->last, "%s", text);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->bar && progress->drawn)
        fputs("\r\033[K", stderr);
    fflush(stderr);
}
