#pragma once

/* The descriptor: everything that says what a job is (README.md, "Descriptor").
 * Its hash is the job id; whoever holds it can compute the salt. Views only:
 * a decoded descriptor points into the bytes it was read from. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/bytes.h"
#include "common/crypto/hash.h"

#define DESCRIPTOR_VERSION        1
#define DESCRIPTOR_BYTES_MAX      (2u << 20)
#define DESCRIPTOR_PEER_MAX       42
#define DESCRIPTOR_NONCE_SIZE     16
#define DESCRIPTOR_SEED_SIZE      32
#define DESCRIPTOR_PARAMETERS_MAX 1000
#define DESCRIPTOR_PARAMETER_MAX  (1u << 20) /* bytes of all of them */
#define DESCRIPTOR_CLASSES_MAX    32
#define DESCRIPTOR_DATASETS_MAX   64
#define DESCRIPTOR_TEXT_MAX       255 /* class, dataset name, network */

enum comparison { COMPARISON_CLASS = 1, COMPARISON_ENGINE, COMPARISON_PORTABLE };
enum data_class { DATA_PUBLIC = 1, DATA_INTERNAL, DATA_SENSITIVE };

struct descriptor_dataset {
        struct bytes name; /* not empty; each once */
        struct hash_value root;
};

/* Of memory, for who asks: with less an engine cannot even begin. */
#define LIMIT_MEMORY_MIN (UINT64_C(1) << 20)
struct descriptor_limits {
        uint64_t rows, bytes, memory, cpu_ms, wall_ms; /* 0: the host's default */
};

struct descriptor {
        struct bytes requester; /* peer id, binary */
        uint8_t nonce[DESCRIPTOR_NONCE_SIZE];
        struct hash_value query; /* query_hash() of the SQL dispatched */
        size_t n_parameters;
        struct bytes parameters; /* that many cells, one behind the other */
        enum comparison comparison;
        size_t n_classes;
        struct bytes classes[DESCRIPTOR_CLASSES_MAX]; /* admitted engine classes */
        size_t n_datasets;
        struct descriptor_dataset datasets[DESCRIPTOR_DATASETS_MAX]; /* input i is /q/i */
        struct descriptor_limits limits;
        struct bytes schema; /* declared result schema, canonical */
        bool ordered;        /* a top-level total order: the answer is a SEQUENCE */
        int64_t time_us;     /* job time, since 1970 UTC */
        uint8_t seed[DESCRIPTOR_SEED_SIZE];
        struct bytes network;
        enum data_class data_class;
};

enum descriptor_result {
        DESCRIPTOR_OK = 0,
        DESCRIPTOR_E_FORMAT, /* cut short, trailing bytes, magic, version, varint not minimal */
        DESCRIPTOR_E_FIELD,  /* *ret_field says which one is out of its limits */
};

/* Returns enum descriptor_result; ret_field (may be NULL) is set on
 * DESCRIPTOR_E_FIELD, to a static name fit for MISMATCH{field}. */
int descriptor_decode(struct bytes v, struct descriptor *ret, const char **ret_field);
/* Appends; the same limits apply. */
int descriptor_encode(const struct descriptor *d, struct buffer *b, const char **ret_field);

struct hash_value query_hash(struct bytes sql);
struct hash_value job_id(struct bytes descriptor);
struct hash_value job_salt(struct bytes descriptor);

/* Letters, digits and _, no digit first: a name that needs no quotes anywhere. Engines have no
 * other for an input; a descriptor may, as its receipt is to be read for ever. */
bool dataset_is_named(struct bytes name);

/* Names as in protos and configuration; NULL and 0 for what is not in the table. */
const char *comparison_name(unsigned comparison);
unsigned comparison_of(struct bytes name);
const char *data_class_name(unsigned data_class);
unsigned data_class_of(struct bytes name);
