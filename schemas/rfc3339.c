#include "rfc3339.h"

#define SECOND 1000000
#define DAY    86400

/* Exactly `count` digits at *p; moves behind them. -1 where there are others. */
static int take_digits(const char **p, const char *end, int count)
{
    int value = 0;
    if (end - *p < count)
        return -1;
    for (int i = 0; i < count; i++) {
        unsigned digit = (unsigned)(unsigned char)(*p)[i] - '0';
        if (digit > 9)
            return -1;
        value = value * 10 + (int)digit;
    }
    *p += count;
    return value;
}

static bool take_char(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    ++*p;
    return true;
}

static int days_in_month(int year, int month)
{
    static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years that begin in March put the leap day
 * last, so that the days before a month are a linear function of it. */
static int64_t count_days(int year, int month, int day)
{
    int shifted_year = month > 2 ? year : year - 1;
    int shifted_month = month > 2 ? month - 3 : month + 9;
    int64_t leaps = shifted_year / 4 - shifted_year / 100 + shifted_year / 400;
    return INT64_C(365) * shifted_year + leaps + (153 * shifted_month + 2) / 5 + day - 1 - 719468;
}

static bool take_date(const char **p, const char *end, int64_t *days)
{
    int year = take_digits(p, end, 4), month, day;
    if (year < 1 || !take_char(p, end, '-') || (month = take_digits(p, end, 2)) < 1 || month > 12 ||
        !take_char(p, end, '-') || (day = take_digits(p, end, 2)) < 1 || day > days_in_month(year, month))
        return false;
    *days = count_days(year, month, day);
    return true;
}

/* A point and digits, if there is a point. */
static bool take_fraction(const char **p, const char *end, int *us)
{
    int value = 0, digits = 0;
    *us = 0;
    if (!take_char(p, end, '.'))
        return true;
    for (; *p < end && (unsigned)(unsigned char)**p - '0' <= 9; ++*p, digits++) {
        if (digits < 6)
            value = value * 10 + (**p - '0');
    }
    if (digits == 0)
        return false;
    for (; digits < 6; digits++)
        value *= 10;
    *us = value;
    return true;
}

static bool take_offset(const char **p, const char *end, int *seconds)
{
    bool west;
    int hours, minutes;
    *seconds = 0;
    if (take_char(p, end, 'Z') || take_char(p, end, 'z'))
        return true;
    west = take_char(p, end, '-');
    if ((!west && !take_char(p, end, '+')) || (hours = take_digits(p, end, 2)) < 0 || hours > 23 ||
        !take_char(p, end, ':') || (minutes = take_digits(p, end, 2)) < 0 || minutes > 59)
        return false;
    *seconds = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

bool rfc3339_parse(struct upsink_slice text, int64_t *us)
{
    const char *p = text.data, *end = text.data ? p + text.len : p;
    int hour, minute, second, fraction, offset;
    int64_t days, seconds;
    if (!p || !take_date(&p, end, &days))
        return false;
    if (!take_char(&p, end, 'T') && !take_char(&p, end, 't') && !take_char(&p, end, ' '))
        return false;
    if ((hour = take_digits(&p, end, 2)) < 0 || hour > 23 || !take_char(&p, end, ':') ||
        (minute = take_digits(&p, end, 2)) < 0 || minute > 59 || !take_char(&p, end, ':') ||
        (second = take_digits(&p, end, 2)) < 0 || second > 60)
        return false;
    if (!take_fraction(&p, end, &fraction) || !take_offset(&p, end, &offset) || p != end)
        return false;
    seconds = days * DAY + hour * 3600 + minute * 60 + second - offset;
    if (second == 60 && seconds % DAY != 0)
        return false;
    *us = seconds * SECOND + fraction;
    return true;
}
