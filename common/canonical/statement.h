#pragma once

/* The three statements nodes sign about a job (README.md, "Statements"). keyring
 * builds the bytes from fields with statement_*_encode(); everybody else stores
 * and forwards bytes and signature verbatim. Decoded structs hold views. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/canonical/outcome.h"
#include "common/crypto/hash.h"
#include "common/crypto/sign.h"

#define STATEMENT_PREFIX       "quorate/1/" /* then the kind, then a zero byte */
#define STATEMENT_BYTES_MAX    8192
#define STATEMENT_PEER_MAX     42
#define STATEMENT_TICKET_MAX   64
#define STATEMENT_TEXT_MAX     255
#define STATEMENT_FACTS_MAX    16
#define STATEMENT_EVIDENCE_MAX 16 /* commits a verdict rests on */

enum statement_kind { STATEMENT_DISPATCH = 1, STATEMENT_COMMIT, STATEMENT_VERDICT };

struct dispatch_statement {
        struct hash_value job;
        struct bytes host; /* peer id, binary */
        struct bytes ticket;
        uint8_t run; /* 0, or 1 for a re-check */
};

struct commit_statement {
        struct hash_value job;
        struct bytes host;
        uint8_t run;
        struct bytes engine_class;
        struct hash_value answer_tag, result_tag;
};

struct statement_fact {
        struct bytes name, value; /* "subnet" "192.0.2.0/24" */
        bool measured;            /* by the requester; else claimed by the host */
};

struct verdict_statement {
        struct hash_value job;
        struct bytes host;
        enum verdict verdict;
        enum result_state state;
        enum query_mode mode;
        uint8_t replicas, quorum; /* k, q */
        struct bytes voter_group; /* hosts of one group are one voter */
        size_t n_facts;
        struct statement_fact facts[STATEMENT_FACTS_MAX];
        size_t n_evidence;
        struct hash_value evidence[STATEMENT_EVIDENCE_MAX]; /* statement_digest() of commits */
        int64_t time_us;                             /* requester's wall clock at the verdict */
        uint64_t started_us, committed_us, ended_us; /* after dispatch; 0: did not happen */
};

enum statement_result {
        STATEMENT_OK = 0,
        STATEMENT_E_FORMAT, /* prefix, cut short, trailing bytes, varint not minimal */
        STATEMENT_E_FIELD,  /* a field out of its limits or table */
};

/* Append the bytes to sign. Return enum statement_result. */
int dispatch_encode(const struct dispatch_statement *s, struct buffer *b);
int commit_encode(const struct commit_statement *s, struct buffer *b);
int verdict_encode(const struct verdict_statement *s, struct buffer *b);

int dispatch_decode(struct bytes v, struct dispatch_statement *ret);
int commit_decode(struct bytes v, struct commit_statement *ret);
int verdict_decode(struct bytes v, struct verdict_statement *ret);

/* By the prefix alone; 0 for anything else. */
enum statement_kind statement_kind_of(struct bytes v);
/* H(quorate.stmt.1, statement): how a verdict names the commits it rests on. */
struct hash_value statement_digest(struct bytes statement);

/* A statement as stored and forwarded. */
struct signed_statement {
        struct bytes bytes, signature;
        struct sign_public key;
};

bool statement_verify(const struct signed_statement *s);
/* Also: the commit's host is the peer of that key. */
bool commit_verify(const struct signed_statement *s, struct commit_statement *ret);

enum fault_result {
        FAULT_PROVED = 0,
        FAULT_E_INVALID,   /* one of them does not verify or decode */
        FAULT_E_OTHER_JOB, /* job, host or run differ */
        FAULT_E_SAME,      /* the same answer twice */
};
/* Two commits of one host that cannot both be honest. Returns enum fault_result. */
int fault_proof_check(const struct signed_statement *a, const struct signed_statement *b);
