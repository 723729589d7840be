#pragma once

/* The receipt: the signed statements of one job in one file, and its check by
 * anybody, offline (README.md, "Receipt"). Views only. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/canonical/answer.h"
#include "common/canonical/descriptor.h"
#include "common/canonical/statement.h"

#define RECEIPT_VERSION    1
#define RECEIPT_BYTES_MAX  (8u << 20)
#define RECEIPT_SQL_MAX    (1u << 20)
#define RECEIPT_VOTERS_MAX 32

/* One host's part. A host that never committed has an empty commit. */
struct receipt_host {
        struct sign_public key;
        struct bytes dispatch, dispatch_signature;
        struct bytes commit, commit_signature; /* empty: none */
        struct bytes verdict, verdict_signature;
        struct answer answer; /* plain values behind the commit's tags */
        bool counted;         /* its vote is one of the quorum */
};

struct receipt {
        struct bytes descriptor, sql;
        struct sign_public requester;
        size_t n_hosts;
        struct receipt_host hosts[RECEIPT_VOTERS_MAX];
};

/* False: a part is larger than its limit. Appends, checksum included. */
bool receipt_encode(const struct receipt *r, struct buffer *b);

/* The layout alone, checksum not looked at. False: not a receipt. */
bool receipt_decode(struct bytes file, struct receipt *ret);

/* What any answer in a receipt has to be, by itself and for this job. The requester
 * takes no commit that does not pass: what it counts, a receipt counts. */
bool receipt_answer_is_whole(const struct answer *a, const struct hash_value *schema_digest);
bool receipt_answer_is_allowed(const struct descriptor *d, const struct answer *a);

/* In this order; a check that needs an earlier one that failed is SKIPPED. */
enum receipt_check {
        RECEIPT_CHECKSUM,        /* any flipped, missing or added byte */
        RECEIPT_FORMAT,          /* the layout, every length and limit */
        RECEIPT_DESCRIPTOR,      /* decodes; its requester is the peer of the requester's key */
        RECEIPT_QUERY,           /* the SQL has the descriptor's query hash */
        RECEIPT_DISPATCH,        /* each names this job and its host, signed by the requester */
        RECEIPT_COMMIT,          /* each names this job and its host, signed by that host */
        RECEIPT_TAGS,            /* the plain values are those behind the tags that were signed */
        RECEIPT_FORM,            /* form, rows and engine classes are what the descriptor allows */
        RECEIPT_VERDICT,         /* each names this job and its host, signed by the requester */
        RECEIPT_VERDICTS_AGREE,  /* with one another, with who was counted, with the commits */
        RECEIPT_DISTINCT_VOTERS, /* hosts and voter groups that count stand once each */
        RECEIPT_EQUAL_ANSWERS,   /* of all that were counted */
        RECEIPT_QUORUM,          /* enough of them, and far enough ahead, for the signed state */
        RECEIPT_ROWS,            /* only with rows: they give the answer */
        _RECEIPT_CHECK_MAX,
};

enum check_status { CHECK_PASSED = 1, CHECK_FAILED, CHECK_SKIPPED };

struct receipt_report {
        bool valid; /* nothing failed, or was skipped for want of another check */
        struct {
                enum check_status status;
                char detail[160]; /* for people; escaped; empty when passed plainly */
        } checks[_RECEIPT_CHECK_MAX];
        struct receipt receipt; /* filled when RECEIPT_FORMAT passed */
        struct descriptor descriptor;
        struct hash_value job;
        const struct answer *answer; /* that was agreed on; NULL: none */
        enum result_state state;
        enum query_mode mode;
        unsigned replicas, quorum, agreement; /* agreement: distinct equal voters */
};

const char *receipt_check_name(enum receipt_check check); /* "checksum", "format" … */

/* file: the bytes of the receipt; rows: those of a .qrows file, data NULL: none. The
 * report holds views into `file`; it is about 16 KiB large. */
void receipt_verify(struct bytes file, struct bytes rows, struct receipt_report *ret);
/* The first check that failed, or _RECEIPT_CHECK_MAX. */
enum receipt_check receipt_first_failure(const struct receipt_report *r);
/* The verdict of host i, as receipt_verify() read it; false: none, or not valid. */
bool receipt_verdict(const struct receipt_report *r, size_t i, struct verdict_statement *ret);
