/* What this node's imports made of datasets, one small file for each of those:
 *   u8 version (1), 32-byte root of what was made, prefixed import version */

#include <fcntl.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/wire/varint.h"
#include "services/coordinator/data/derived.h"
#include "services/coordinator/data/store_files.h"

#define FILE_VERSION 1

static void forget(struct store *s, const struct hash_value *source) {
        char name[STORE_NAME_SIZE];

        (void) unlinkat(s->dir_fd, file_name(source, "import", name), 0);
        free(map_remove(s->imports, hash_bytes(source)));
}

static bool read_import(const struct store *s, const char *name, struct hash_value *ret) {
        CLEANUP(fd_closep) int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        uint8_t bytes[1 + HASH_SIZE + VARINT_SIZE_MAX + IMPORT_VERSION_MAX];
        ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
        struct reader r;

        if (n < 0)
                return false;
        r = reader_of(BYTES(bytes, (size_t) n));
        if (reader_u8(&r) != FILE_VERSION)
                return false;
        reader_copy(&r, ret->bytes, HASH_SIZE);
        return bytes_equal(reader_prefixed(&r), BYTES_LIT(IMPORT_VERSION)) && reader_done(&r);
}

void store_scan_import(struct store *s, const struct hash_value *source) {
        struct hash_value made;
        char name[STORE_NAME_SIZE];

        if (read_import(s, file_name(source, "import", name), &made))
                free(map_set(s->imports, hash_bytes(source), xmemdup(&made, sizeof(made))));
        else
                (void) unlinkat(s->dir_fd, name, 0);
}

void store_forget_imports(struct store *s, const struct hash_value *made) {
        CLEANUP(freep)
        struct hash_value *gone = xnew_n(struct hash_value, map_count(s->imports) + 1);
        size_t n = 0, cursor = 0;
        struct bytes key;
        void *value;

        while (map_next(s->imports, &cursor, &key, &value))
                if (made ? hash_equal(value, made) : !store_has(s, value))
                        memcpy(gone[n++].bytes, key.data, HASH_SIZE);
        for (size_t i = 0; i < n; i++)
                forget(s, &gone[i]);
}

bool store_import_of(const struct store *s, const struct hash_value *source,
                     struct hash_value *ret) {
        const struct hash_value *made = map_get(s->imports, hash_bytes(source));

        if (!made || !store_has(s, made))
                return false;
        *ret = *made;
        return true;
}

int store_set_import(struct store *s, const struct hash_value *source,
                     const struct hash_value *made) {
        CLEANUP(buffer_donep) struct buffer b = {};
        char name[STORE_NAME_SIZE];
        struct bytes parts[1];
        int r;

        check(store_has(s, made));
        buffer_init(&b, 256);
        buffer_put_u8(&b, FILE_VERSION);
        buffer_put(&b, made->bytes, HASH_SIZE);
        buffer_put_prefixed(&b, BYTES_LIT(IMPORT_VERSION));
        parts[0] = buffer_bytes(&b);
        r = file_write_whole(s->dir_fd, file_name(source, "import", name), parts, 1);
        if (r == 0)
                free(map_set(s->imports, hash_bytes(source), xmemdup(made, sizeof(*made))));
        return r;
}
