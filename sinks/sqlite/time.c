#include "sinks/sqlite/sqlite.h"

#include "schemas/rfc3339.h"

#include <stdlib.h>

#define SECOND 1000000LL
#define DAY    (86400 * SECOND)

/* Of 0001-01-01T00:00:00Z and 10000-01-01T00:00:00Z: the years that RFC 3339 times are read of. */
#define FIRST_MICROSECOND (-719162 * DAY)
#define PAST_MICROSECOND  (2932897 * DAY)

enum { DAYS_OF_400_YEARS = 146097, TEXT_LENGTH = 27 };

/* The proleptic Gregorian calendar, in years that begin in March, so that leap days come last. `day` counts
 * from 0000-03-01. */
static void to_date(int64_t day, int *year, int *month, int *day_of_month)
{
    int64_t era = (day >= 0 ? day : day - (DAYS_OF_400_YEARS - 1)) / DAYS_OF_400_YEARS;
    int64_t in_era = day - era * DAYS_OF_400_YEARS;
    int64_t year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t day_of_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day_of_month = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

#define MARCH_0_TO_1970 719468 /* days from 0000-03-01 to 1970-01-01 */

static void put_digits(char *out, int digits, int64_t value)
{
    while (digits-- > 0) {
        out[digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

size_t sqlite_format_time(int64_t microseconds, char text[TIME_SIZE])
{
    if (microseconds < FIRST_MICROSECOND || microseconds >= PAST_MICROSECOND)
        return (size_t)snprintf(text, TIME_SIZE, "%lld", (long long)microseconds);
    int64_t day = microseconds / DAY, rest = microseconds % DAY;
    int year, month, day_of_month;
    if (rest < 0) {
        rest += DAY;
        day--;
    }
    to_date(day + MARCH_0_TO_1970, &year, &month, &day_of_month);
    memcpy(text, "0000-00-00T00:00:00.000000Z", TEXT_LENGTH + 1);
    put_digits(text, 4, year);
    put_digits(text + 5, 2, month);
    put_digits(text + 8, 2, day_of_month);
    put_digits(text + 11, 2, rest / (3600 * SECOND));
    put_digits(text + 14, 2, rest / (60 * SECOND) % 60);
    put_digits(text + 17, 2, rest / SECOND % 60);
    put_digits(text + 20, 6, rest % SECOND);
    return TEXT_LENGTH;
}

int64_t sqlite_parse_time(const char *text, size_t len)
{
    char *end;
    int64_t time;
    if (rfc3339_parse((struct upsink_slice){text, len}, &time))
        return time;
    long long integer = strtoll(text, &end, 10);
    return len && end == text + len ? integer : -1;
}
