/* Stands in for libFuzzer: runs the target over every file of a directory (or over
 * single files), so that a corpus is an ordinary test with any compiler. */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void closep(FILE **f) {
        if (*f)
                fclose(*f);
}

/* The input lies in a block of exactly its size, so that ASan sees one byte too far. */
static int replay_file(const char *path) {
        CLEANUP(closep) FILE *f = fopen(path, "rb");
        CLEANUP(freep) uint8_t *data = NULL;
        struct stat st;

        if (!f || fstat(fileno(f), &st) < 0) {
                fprintf(stderr, "cannot read %s\n", path);
                return 1;
        }
        data = xmalloc((size_t) st.st_size);
        if (fread(data, 1, (size_t) st.st_size, f) != (size_t) st.st_size) {
                fprintf(stderr, "short read of %s\n", path);
                return 1;
        }
        return LLVMFuzzerTestOneInput(data, (size_t) st.st_size);
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
