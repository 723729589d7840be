#pragma once

/* A folder for stores, and datasets of one byte over and over. */

#include <stdlib.h>
#include <unistd.h>

#include "services/coordinator/data/store.h"
#include "tests/support/test.h"

#define MIB  (1u << 20)
#define META STORE_BLOCK /* what a meta file of few chunks takes */

static const uint8_t no_salt[DATA_SALT_SIZE];
static char dir[64];

static inline int setup(void **state) {
        strcpy(dir, "/tmp/quorate-store-XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static inline int teardown(void **state) {
        char command[128];

        snprintf(command, sizeof(command), "rm -r %s", dir);
        return system(command);
}

/* As upload_finish() answers. */
static inline int try_put(struct store *s, uint8_t fill, size_t len, struct hash_value *ret) {
        uint8_t *content = xmalloc(len);
        struct upload *u;
        int r;

        memset(content, fill, len);
        assert_int_equal(upload_begin(s, BYTES_LIT("sqlite"), len, no_salt, &u), STORE_OK);
        for (size_t at = 0; at < len; at += 77777)
                assert_int_equal(
                        upload_write(u, BYTES(content + at, len - at < 77777 ? len - at : 77777)),
                        STORE_OK);
        r = upload_finish(u, ret);
        upload_free(u);
        free(content);
        return r;
}

static inline struct hash_value put(struct store *s, uint8_t fill, size_t len) {
        struct hash_value root;

        assert_int_equal(try_put(s, fill, len, &root), STORE_OK);
        return root;
}
