// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CBenchReference.h"

#include <errno.h>
#include <lmdb.h>
#include <string.h>
#include <unistd.h>

static const uint64_t kept = 10000;

static int open_environment(const char *path, MDB_env **environment) {
    int result = mdb_env_create(environment);
    if (result == 0) { result = mdb_env_set_mapsize(*environment, (size_t)1 << 30); }
    if (result == 0) { result = mdb_env_set_maxdbs(*environment, 2); }
    const unsigned flags = MDB_NOSUBDIR | MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOTLS;
    if (result == 0) { result = mdb_env_open(*environment, path, flags, 0600); }
    return result;
}

static uint64_t big_endian(uint64_t number) { return __builtin_bswap64(number); }

// One transaction: count, append to the log, forget the oldest entry.
static int increment(MDB_env *environment, MDB_dbi counters, MDB_dbi log) {
    MDB_txn *transaction;
    int result = mdb_txn_begin(environment, NULL, 0, &transaction);
    if (result != 0) { return result; }
    MDB_val key = {4, "main"}, value;
    uint64_t count = 0;
    result = mdb_get(transaction, counters, &key, &value);
    if (result == 0) { memcpy(&count, value.mv_data, sizeof count); }
    if (result == 0 || result == MDB_NOTFOUND) {
        count++;
        value = (MDB_val){sizeof count, &count};
        result = mdb_put(transaction, counters, &key, &value, 0);
    }
    if (result == 0) {
        uint64_t number = big_endian(count), entry[4] = {count, cbr_now(), count - 1, count};
        key = (MDB_val){sizeof number, &number};
        value = (MDB_val){sizeof entry, entry};
        result = mdb_put(transaction, log, &key, &value, MDB_APPEND);
    }
    if (result == 0 && count > kept) {
        uint64_t number = big_endian(count - kept);
        key = (MDB_val){sizeof number, &number};
        result = mdb_del(transaction, log, &key, NULL);
        if (result == MDB_NOTFOUND) { result = 0; }
    }
    if (result != 0) {
        mdb_txn_abort(transaction);
        return result;
    }
    return mdb_txn_commit(transaction);
}

int cbr_lmdb_increment(const char *path, uint64_t start, uint64_t end) {
    MDB_env *environment = NULL;
    MDB_txn *transaction;
    MDB_dbi counters, log;
    int result = open_environment(path, &environment);
    if (result == 0) { result = mdb_txn_begin(environment, NULL, 0, &transaction); }
    if (result != 0) { return result; }
    result = mdb_dbi_open(transaction, "counters", MDB_CREATE, &counters);
    if (result == 0) { result = mdb_dbi_open(transaction, "log", MDB_CREATE, &log); }
    if (result == 0) { result = mdb_txn_commit(transaction); }
    while (cbr_now() < start) { usleep(100); }
    while (result == 0 && cbr_now() < end) {
        // The clock is read once in a while only.
        for (int index = 0; index < 16 && result == 0; index++) { result = increment(environment, counters, log); }
    }
    mdb_env_close(environment);
    return result;
}

int64_t cbr_lmdb_count(const char *path) {
    MDB_env *environment = NULL;
    MDB_txn *transaction;
    MDB_dbi counters;
    int64_t count = -1;
    if (open_environment(path, &environment) == 0 && mdb_txn_begin(environment, NULL, MDB_RDONLY, &transaction) == 0) {
        MDB_val key = {4, "main"}, value;
        if (mdb_dbi_open(transaction, "counters", 0, &counters) == 0) {
            count = mdb_get(transaction, counters, &key, &value) == 0 ? *(int64_t *)value.mv_data : 0;
        }
        mdb_txn_abort(transaction);
    }
    if (environment != NULL) { mdb_env_close(environment); }
    return count;
}
