#pragma once

/* libquorate: ask a node for answers that can be checked.
 *
 *   struct quorate *q;
 *   struct quorate_result *r;
 *   quorate_open(NULL, &q);
 *   quorate_query(q, &(struct quorate_question){ .sql = "SELECT 42" }, &r);
 *   while (quorate_next(r, -1) == QUORATE_ROW) …quorate_value(r, 0)…
 *   quorate_end(r)->state   // "VERIFIED", …
 *
 * Calls block up to their timeout; quorate_wake() from a signal handler or another
 * thread makes the one under way return QUORATE_AGAIN. Otherwise one thread per
 * connection. Rows are provisional until quorate_next() says QUORATE_END.
 *
 * When memory runs out the library ends the process (abort(), after one line on
 * stderr): no path that handles it could be trusted. It ends it for no other reason. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QUORATE_API __attribute__((visibility("default")))

enum quorate_code {
        QUORATE_OK = 0,
        QUORATE_ROW,       /* quorate_value() has it */
        QUORATE_PROGRESS,  /* quorate_progress() has it */
        QUORATE_END,       /* quorate_end() has it; no more will come */
        QUORATE_AGAIN,     /* the timeout passed, or quorate_wake() */
        QUORATE_E_NO_NODE, /* nobody serves the runtime directory */
        QUORATE_E_LOST,    /* the node went away and did not come back with the job */
        QUORATE_E_REFUSED, /* the node's answer was an error: quorate_error() */
        QUORATE_E_INPUT,   /* a file cannot be read or is no database */
        QUORATE_E_USAGE,
        QUORATE_E_PROTOCOL, /* the node sent something malformed */
        QUORATE_E_SILENT,   /* somebody serves the directory and does not answer */
        QUORATE_E_DENIED,   /* the sockets are not ours to use */
        QUORATE_E_FOREIGN,  /* the usual runtime directory can be written by somebody else */
};

struct quorate;
struct quorate_result;

/* runtime NULL: $QUORATE_RUNTIME, then /run/quorate (root) or $XDG_RUNTIME_DIR/quorate.
 * Where nobody holds the socket it fails at once; a node that is just restarting is
 * waited for, up to 10 s. On any error *ret is NULL. */
QUORATE_API int quorate_open(const char *runtime, struct quorate **ret);
/* The same for at most timeout_ms, which is cut to those 10 s. `waiting` (or NULL) is told
 * twice a second how long it has been so far. */
QUORATE_API int quorate_open_within(const char *runtime, uint64_t timeout_ms,
                                    void (*waiting)(void *userdata, uint64_t waited_ms),
                                    void *userdata, struct quorate **ret);
/* Without a node: `executor` is the path of quorate-executor, which answers in its sandbox on
 * this machine. Every answer is LOCAL and says why; jobs end with the connection. */
QUORATE_API int quorate_open_private(const char *executor, struct quorate **ret);
QUORATE_API void quorate_close(struct quorate *q); /* results first; NULL allowed */
/* One line about the last error of this connection: what, where, what to do. */
QUORATE_API const char *quorate_error(const struct quorate *q);
QUORATE_API const char *quorate_code_text(int code);
/* Async-signal-safe. */
QUORATE_API void quorate_wake(struct quorate *q);

struct quorate_input {
        /* The name in the SQL: of a SQLite database ("main", where names need none), or of a
         * table. NULL: main; of a table the file's name, made letters, digits and _. */
        const char *name;
        /* A SQLite, CSV, NDJSON or Parquet file, read with your rights (of SQLite a snapshot)
         * and uploaded; or NULL. */
        const char *path;
        uint8_t root[32]; /* without a path: a dataset the node has or can fetch */
        bool is_public;   /* of a path: anybody may have it, so its root needs no salt */
};

/* Called now and then while bytes travel; all: bytes of the snapshot. */
typedef void (*quorate_upload_fn)(void *userdata, uint64_t done, uint64_t all);
/* The snapshot of input->path as a dataset of the node; it stays there as long as this
 * connection, or until it is published (`quorate dataset publish`). fn may be NULL. Not
 * with quorate_open_private(). */
QUORATE_API int quorate_upload(struct quorate *q, const struct quorate_input *input,
                               quorate_upload_fn fn, void *userdata, uint8_t ret_root[32]);
/* Of the latest upload: columns that are TEXT though most of their values are of another kind;
 * perhaps the others are wrong. At most 16; valid until the next one. Texts are foreign. */
struct quorate_column_note {
        unsigned column; /* from 1 */
        const char *name, *most /* numbers, dates, timestamps */;
        uint64_t values, others; /* that are not NULL; of these not of that kind */
        uint64_t row;            /* of the first of those, the header counted */
        const char *value;       /* what stands there, cut short */
};
QUORATE_API const struct quorate_column_note *quorate_upload_notes(const struct quorate *q,
                                                                   size_t *ret_n);

#define QUORATE_INPUTS_MAX 8 /* more in one question are USAGE */

struct quorate_question {
        const char *sql;
        const struct quorate_input *inputs;
        size_t n_inputs;
        const char *prefer;     /* "auto" (NULL), "local", "remote" */
        const char *verify;     /* "quorum" (NULL), "unanimous", "fast" */
        const char *comparison; /* NULL: the widest the query allows */
        const char *network, *data_class;
        unsigned replicas, quorum, max_replicas; /* 0: the node's configuration */
        /* 0: the node's; max_memory of less than 1 MiB is USAGE */
        uint64_t timeout_ms, max_rows, max_bytes, max_memory, max_cpu_ms;
        bool no_rewrite;
        const char *const *hosts; /* peer ids in text form: only these */
        size_t n_hosts;
        const char *const *engines; /* "sqlite", "duckdb", or classes: only these; at most 8 */
        size_t n_engines;
        bool engine_diverse;  /* equal answers of two engines at least */
        bool remote_analysis; /* hosts say what the query is: public data only */
        const char
                *cache; /* "on": an answer verified here before will do; "off"; NULL: configured */
};

/* Uploads the inputs and starts the job. Returns QUORATE_OK and *ret, which outlives
 * nothing of the question. */
QUORATE_API int quorate_query(struct quorate *q, const struct quorate_question *question,
                              struct quorate_result **ret);
/* A job that was started before, by its 32-byte id, from this batch on. */
QUORATE_API int quorate_attach(struct quorate *q, const uint8_t job[32], uint64_t from_batch,
                               struct quorate_result **ret);
/* Forgets the result; the job goes on unless it was cancelled or has ended. */
QUORATE_API void quorate_result_free(struct quorate_result *r);
QUORATE_API int quorate_cancel(struct quorate_result *r);
QUORATE_API const uint8_t *quorate_job(const struct quorate_result *r); /* 32 bytes */

/* Waits for the next thing; timeout_ms -1: for ever. Re-attaches by itself when the
 * node was restarted. Returns enum quorate_code. */
QUORATE_API int quorate_next(struct quorate_result *r, int timeout_ms);

enum quorate_type {
        QUORATE_NULL = 0x00, /* numbers of common/canonical/README.md */
        QUORATE_INTEGER = 0x10,
        QUORATE_DECIMAL = 0x11,
        QUORATE_REAL = 0x20,
        QUORATE_TEXT = 0x30,
        QUORATE_BLOB = 0x31,
        QUORATE_OTHER = 0xfe, /* the rest: `text` has it spelt out */
};
struct quorate_value {
        enum quorate_type type;
        uint8_t tag;     /* the cell's own tag */
        int64_t integer; /* INTEGER that fits 64 bits */
        double real;
        const char *text; /* every type: as people read it, with a final 0 */
        size_t text_len;
        const void *blob; /* TEXT and BLOB: the bytes */
        size_t blob_len;
};
/* 0 before the schema is known. Names and types stay valid as long as the result. */
QUORATE_API size_t quorate_n_columns(const struct quorate_result *r);
QUORATE_API const char *quorate_column_name(const struct quorate_result *r, size_t column);
QUORATE_API const char *quorate_column_type(const struct quorate_result *r, size_t column);
/* Of the current row; valid until the next call. */
QUORATE_API const struct quorate_value *quorate_value(struct quorate_result *r, size_t column);
/* The canonical schema, and with quorate_keep_batches() the canonical bytes of the
 * batch that the current row begins (NULL for other rows): what a rows file holds. */
QUORATE_API const void *quorate_schema(const struct quorate_result *r, size_t *ret_len);
QUORATE_API const void *quorate_batch(const struct quorate_result *r, size_t *ret_len);

struct quorate_host_progress {
        const char *peer, *stage;
        uint64_t rows, bytes, cpu_us;
};
struct quorate_progress {
        const char *stage, *note;
        uint64_t rows, bytes, elapsed_us;
        const struct quorate_host_progress *hosts;
        size_t n_hosts;
};
QUORATE_API const struct quorate_progress *quorate_progress(const struct quorate_result *r);

struct quorate_host {
        const char *peer, *verdict, *engine, *address, *voter;
        const char *problem; /* "" or one line */
        uint8_t answer[32];
        bool has_answer, counted;
        uint64_t elapsed_us;
        const char *origin; /* who named it: pinned gossip dht history connected */
};
/* What a query is expected to take of one machine, or took: what hosts say of their processor
 * and memory is no proof (the lower median of those that agree). */
struct quorate_cost {
        uint64_t rows, bytes, cpu_us, memory; /* bytes: canonical, of the result */
        const char *source; /* estimates: plan class shape data statement; "": nothing is known */
        double runs;        /* that an estimate rests on; older ones count less */
};
struct quorate_end {
        const char *state;   /* VERIFIED TRUSTED UNVERIFIED LOCAL CONTESTED CACHED, or "" */
        const char *error;   /* name, when there is no state; else "" */
        const char *message; /* one line: what happened and what to do; "" */
        int position;        /* byte in the SQL, or -1 */
        const char *route, *reason, *class_name, *receipt, *confidence;
        uint8_t answer[32];
        bool has_answer, executed_locally;
        unsigned agreement, quorum, replicas;
        uint64_t rows, bytes, elapsed_us, first_row_us;
        const struct quorate_host *hosts;
        size_t n_hosts;
        char *const *engines; /* classes that were admitted */
        size_t n_engines;
        unsigned unusable; /* independent candidates left out: they run other classes */
        unsigned diverse;  /* engines among the equal answers */
        int exit_code;     /* as the command documents them */
        /* CACHED: the job that was VERIFIED, whose hosts and receipt these are, and since when. */
        uint8_t cached_job[32];
        uint64_t cached_age_us;
        struct quorate_cost estimate, actual; /* actual.source: "ran", or "" */
        const char *fell_over; /* why the engine that was asked first was not enough, or "" */
        /* An error of the statement by hosts: VERIFIED, or UNVERIFIED: the word of one. Else LOCAL,
         * or "". */
        const char *error_state;
};
QUORATE_API const struct quorate_end *quorate_end(const struct quorate_result *r);

struct quorate_finding {
        const char *expression, *why;
        int position;
};
struct quorate_explanation {
        const char *class_name, *rewrite, *route, *reason, *comparison, *message;
        bool ordered, portable;
        const char *not_portable; /* why other engines may answer otherwise, or empty */
        int32_t not_portable_at;  /* bytes into the SQL, or -1 */
        const char *engine;       /* class that analysed */
        char *const *engines;     /* classes that would be admitted */
        size_t n_engines;
        unsigned usable, unusable; /* independent candidates that run one of them, and others */
        const struct quorate_finding *findings;
        size_t n_findings;
        int exit_code;        /* as a query would end: also of what has no route */
        char *const *imports; /* inputs of which SQLite hosts make a SQLite file first, once */
        size_t n_imports;
        struct quorate_cost estimate;
        const char *not_portable_expression; /* at that place, cut short; or empty */
};
/* Class, reasons, rewrite and route; nothing runs. Valid until the next call on q. */
QUORATE_API int quorate_explain(struct quorate *q, const struct quorate_question *question,
                                const struct quorate_explanation **ret);

#ifdef __cplusplus
}
#endif
