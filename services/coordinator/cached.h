#pragma once

/* An answer that was VERIFIED, kept to be given once more: what it is kept under, and whether
 * one that was kept is still what it was. Nothing in a kept file is believed: the receipt goes
 * through receipt_verify(), all its signatures and every row with it, and has to be one that
 * answers this question. Pure. */

#include "common/canonical/answer.h"
#include "common/canonical/receipt.h"
#include "services/coordinator/quorum.h"

/* All that an answer depends on, and by which rules it was to be checked. Views. */
struct cached_question {
        struct bytes descriptor; /* of the job that asks; its nonce, time and seed say nothing */
        struct quorum_rule rule;
        bool independence;               /* voters are counted by subnet */
        const char *class_name, *engine; /* of the analysis, and the class that made it */
        char *const *wanted;             /* engines or classes that were asked for; none: any */
        size_t n_wanted;
        const struct bytes *hosts; /* peer ids of those that may answer; none: anybody */
        size_t n_hosts;
};

/* H(`quorate.cache.1`, …) of all of it; admitted classes in any order. False: no descriptor. */
bool cached_key(const struct cached_question *q, struct hash_value *ret);

/* The file: magic, whether hosts too new here for a record were among the voters (no receipt
 * says so), u32 length of the receipt, receipt, rows file (qrows.h). Appends all before the rows.
 */
void cached_begin_file(struct bytes receipt, bool has_strangers, struct buffer *b);

enum cached_result {
        CACHED_OK = 0,
        CACHED_E_DAMAGED, /* not a file, or its receipt or its rows do not verify */
        CACHED_E_OTHER,   /* a good receipt, of an answer to another question or of an error */
};

/* A kept answer that holds. Views into the file; about 17 KiB. */
struct cached_answer {
        struct receipt_report report;
        struct bytes receipt, rows;
        uint64_t batches, n_rows, n_bytes; /* of `rows` */
        unsigned engines;                  /* among the hosts that count: 1, or 2 for more */
        bool has_strangers;
        int64_t time_us; /* wall clock of the first signed verdict that counts; 0: none */
        /* Not CACHED_OK: what is wrong, and of which check of the receipt, or NULL. Static. */
        const char *fault, *check;
};

/* Returns enum cached_result; *ret is valid with CACHED_OK alone, but for its fault. */
int cached_check(struct bytes file, const struct cached_question *q, const struct hash_value *key,
                 struct cached_answer *ret);
