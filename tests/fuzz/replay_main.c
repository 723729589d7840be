/* Stands in for libFuzzer: runs the target over every file of a directory (or over
 * single files), so that a corpus is an ordinary test with any compiler. Each input is run
 * cut short as well, and with a few bytes changed: the same ones every time. */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"
#include "common/base/rng.h"

#define CUTS    64 /* of one input, evenly apart if it is longer */
#define CHANGES 64 /* of one input, each of one to four bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void closep(FILE **f) {
        if (*f)
                fclose(*f);
}

/* The input lies in a block of exactly its size, so that ASan sees one byte too far. */
static int run(const uint8_t *data, size_t size) {
        CLEANUP(freep) uint8_t *block = xmalloc(size);

        if (size > 0)
                memcpy(block, data, size);
        return LLVMFuzzerTestOneInput(block, size);
}

static int run_cut(const uint8_t *data, size_t size) {
        size_t step = size / CUTS + 1;
        int r = 0;

        for (size_t n = 0; n < size; n += step)
                r |= run(data, n);
        return r;
}

static int run_changed(const uint8_t *data, size_t size) {
        CLEANUP(freep) uint8_t *changed = xmalloc(size);
        struct rng rng;
        int r = 0;

        rng_init(&rng, size);
        for (unsigned i = 0; i < CHANGES && size > 0; i++) {
                memcpy(changed, data, size);
                for (unsigned k = 0; k <= i % 4; k++)
                        changed[rng_below(&rng, size)] = (uint8_t) rng_u64(&rng);
                r |= run(changed, size);
        }
        return r;
}

static int replay_file(const char *path) {
        CLEANUP(closep) FILE *f = fopen(path, "rb");
        CLEANUP(freep) uint8_t *data = NULL;
        struct stat st;
        size_t size;

        if (!f || fstat(fileno(f), &st) < 0) {
                fprintf(stderr, "cannot read %s\n", path);
                return 1;
        }
        size = (size_t) st.st_size;
        data = xmalloc(size);
        if (fread(data, 1, size, f) != size) {
                fprintf(stderr, "short read of %s\n", path);
                return 1;
        }
        return run(data, size) | run_cut(data, size) | run_changed(data, size);
}

static int replay_directory(const char *path, DIR *dir) {
        struct dirent *entry;
        unsigned n = 0;
        int r = 0;

        while ((entry = readdir(dir))) {
                CLEANUP(freep) char *file = xasprintf("%s/%s", path, entry->d_name);

                if (entry->d_name[0] == '.')
                        continue;
                r |= replay_file(file);
                n++;
        }
        if (n == 0) {
                fprintf(stderr, "%s: the corpus is empty\n", path);
                return 1;
        }
        printf("%s: %u inputs\n", path, n);
        return r;
}

int main(int argc, char **argv) {
        int r = argc < 2;

        if (argc < 2)
                fprintf(stderr, "usage: %s DIRECTORY|FILE ...\n", argv[0]);
        for (int i = 1; i < argc; i++) {
                DIR *dir = opendir(argv[i]);

                r |= dir ? replay_directory(argv[i], dir) : replay_file(argv[i]);
                if (dir)
                        closedir(dir);
        }
        return r;
}
