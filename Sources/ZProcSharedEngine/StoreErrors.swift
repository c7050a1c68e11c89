// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LMDB
internal import ZProcCore

/// Turns what the storage throws into what the state throws; typed errors of the state stay.
func mapErrors<T>(_ body: () throws -> T) throws(StateError) -> T {
    do {
        return try body()
    } catch let error as StateError {
        throw error
    } catch let error as LMDBError {
        throw StateError(error)
    } catch {
        throw StateError(.storageDamaged, "the state cannot be read: \(error)")
    }
}

extension StateError {
    init(_ error: LMDBError) {
        let code: Code
        switch error.code {
        case .mapFull, .diskFull: code = .storageFull
        case .corrupted, .pageNotFound, .invalid, .versionMismatch, .panic, .incompatible: code = .storageDamaged
        default: code = .storageUnusable
        }
        self.init(code, "the storage of the state: \(error)")
    }

    /// What the operating system said.
    static func storage(_ number: Int32, _ verb: String, _ path: String) -> StateError {
        let reason = String(cString: strerror(number))
        switch number {
        case ENOSPC, EDQUOT, EFBIG:
            return StateError(.storageFull, "cannot \(verb) \(path): \(reason); free some space, or keep less history")
        case EPROTO:
            return StateError(.storageDamaged, "cannot \(verb) \(path): it was made by another version of this library")
        default:
            return StateError(.storageUnusable, "cannot \(verb) \(path): \(reason)")
        }
    }
}
