// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What the system knows of a file.
struct FileStatus {
    /// A file, by whatever path.
    struct Identity: Hashable {
        let device: dev_t
        let number: ino_t
    }

    let identity: Identity
    /// The length in bytes.
    let size: Int

    init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    init?(descriptor: CInt) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        identity = Identity(device: status.st_dev, number: status.st_ino)
        size = Int(status.st_size)
    }
}
