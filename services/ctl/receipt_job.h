#pragma once

/* What a receipt says of the job itself: when and by whom it was asked, over which data,
 * with which columns. Of a report whose check of the descriptor passed. */

#include "common/canonical/receipt.h"

void receipt_job_text(const struct receipt_report *r);
void receipt_job_json(const struct receipt_report *r, bool *first); /* members, after others */
