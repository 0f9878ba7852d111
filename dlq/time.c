#include "time.h"

struct reader {
    const char *at, *end;
};

static bool take_char(struct reader *in, char wanted)
{
    if (in->at == in->end || *in->at != wanted)
        return false;
    in->at++;
    return true;
}

static bool take_number(struct reader *in, int digits, int min, int max, int *number)
{
    if (in->end - in->at < digits)
        return false;
    *number = 0;
    for (int i = 0; i < digits; i++) {
        char c = *in->at++;
        if (c < '0' || c > '9')
            return false;
        *number = *number * 10 + (c - '0');
    }
    return *number >= min && *number <= max;
}

/* Days from 1970-01-01, in the proleptic Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t past = year - (month <= 2); /* the last year whose leap day could lie behind us */
    int64_t leaps = past / 4 - past / 100 + past / 400;
    return (int64_t)year * 365 + leaps + before[month - 1] + day - 1 - 719527;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool take_date(struct reader *in, int64_t *days)
{
    int year, month, day;
    if (!take_number(in, 4, 1, 9999, &year) || !take_char(in, '-') || !take_number(in, 2, 1, 12, &month) ||
        !take_char(in, '-') || !take_number(in, 2, 1, 31, &day) || day > days_in(year, month))
        return false;
    *days = days_of(year, month, day);
    return true;
}

static bool take_fraction(struct reader *in, int64_t *microseconds)
{
    int64_t scale = 100000;
    int digits = 0;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++, digits++) {
        *microseconds += (*in->at - '0') * scale;
        scale /= 10;
    }
    return digits > 0;
}

static bool take_zone(struct reader *in, int *minutes)
{
    int hour, minute;
    *minutes = 0;
    if (in->at == in->end || take_char(in, 'Z') || take_char(in, 'z'))
        return true;
    bool west = *in->at == '-';
    if (!west && *in->at != '+')
        return false;
    in->at++;
    if (!take_number(in, 2, 0, 23, &hour) || !take_char(in, ':') || !take_number(in, 2, 0, 59, &minute))
        return false;
    *minutes = (west ? -1 : 1) * (hour * 60 + minute);
    return true;
}

bool dlq_time_parse(struct upsink_slice text, int64_t *microseconds)
{
    struct reader in = {text.data, text.data + text.len};
    int64_t days, fraction = 0;
    int hour = 0, minute = 0, second = 0, zone = 0;
    if (!text.data || !take_date(&in, &days))
        return false;
    if (in.at < in.end) {
        if (!take_char(&in, 'T') && !take_char(&in, 't') && !take_char(&in, ' '))
            return false;
        if (!take_number(&in, 2, 0, 23, &hour) || !take_char(&in, ':') ||
            !take_number(&in, 2, 0, 59, &minute))
            return false;
        /* A leap second counts as the first one of the next minute. */
        if (take_char(&in, ':') && !take_number(&in, 2, 0, 60, &second))
            return false;
        if (take_char(&in, '.') && !take_fraction(&in, &fraction))
            return false;
        if (!take_zone(&in, &zone) || in.at != in.end)
            return false;
    }
    int64_t seconds = ((days * 24 + hour) * 60 + minute - zone) * 60 + second;
    *microseconds = seconds * 1000000 + fraction;
    return true;
}
