#pragma once

/* Columns of a table file that may be TEXT by a few wrong values, as its description tells them. */

#include "proto/worker.pb-c.h"
#include "services/worker/tables/describe.h"

struct oddities {
        Types__ColumnNote notes[DESCRIBE_ODD_MAX], *list[DESCRIBE_ODD_MAX];
};

/* *ret points into both from then on. */
void oddities_say(struct describe_odd *odd, struct oddities *room, Worker__Described *ret);
