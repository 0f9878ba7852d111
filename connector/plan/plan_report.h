/* A plan, told to people and to programs. */
#ifndef UPSINK_PLAN_REPORT_H
#define UPSINK_PLAN_REPORT_H

#include "buf.h"
#include "plan.h"

/* One sentence: what `run` would do. */
void plan_sum_up(const struct plan *plan, struct buf *out);

/* How many of the records that were looked at would be dead-lettered, or skipped, or stop the view. */
size_t plan_count_rejected(const struct plan *plan);

/* Text with a table of the records. Problems are not in it but for a mark: they belong on standard error. */
void plan_print(const struct plan *plan, FILE *out);

/* One JSON object a line, with "kind": view, partition, statement, record, problem, run. */
void plan_print_json(const struct plan *plan, FILE *out);

#endif
