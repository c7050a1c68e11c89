// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import ZProcCore

/// What is needed to get a file back as it was when it was last synced, after the machine has stopped.
///
/// Without a sync for each commit the system writes pages to the disk in whatever order it likes, and when the machine
/// stops some are missing. LMDB finds its newest version by the first two pages of the file, so a copy of these, taken at
/// a sync, leads back to the version of that time, if none of its pages has been used again: see `SyncKeeper`.
///
/// It is a file beside the state's, there while the state is open and after a crash.
struct SyncPoint {
    /// Which start of the machine this is from.
    var boot: [UInt8]
    /// Which file it is about, by the number the file system gives it.
    var fileNumber: UInt64
    /// How long the file was, at least.
    var fileLength: UInt64
    /// The first two pages of the file; empty for a state that is not synced while it is open.
    var pages: [UInt8]

    private static let magic = Array("zproc sync 1\n".utf8)

    static func path(of file: String) -> String { file + "-synced" }

    /// A name that is another one after each start of the machine.
    static func currentBoot() throws(StateError) -> [UInt8] {
        let path = "/proc/sys/kernel/random/boot_id"
        guard let bytes = try readFile(path), !bytes.isEmpty else { throw .storage(ENOENT, "read", path) }
        return bytes
    }

    /// Takes the file back to its last sync if the machine has been started since.
    static func recover(_ file: String, boot: [UInt8]) throws(StateError) {
        guard let bytes = try readFile(path(of: file)) else { return }
        guard let point = SyncPoint(bytes) else {
            throw StateError(.storageDamaged, "\(path(of: file)), which says how \(file) was synced, is damaged")
        }
        var status = stat()
        guard stat(file, &status) == 0 else { throw .storage(errno, "open", file) }
        guard UInt64(status.st_ino) == point.fileNumber, UInt64(status.st_size) >= point.fileLength else {
            throw StateError(
                .storageDamaged,
                "\(file) is not the file that \(path(of: file)) tells how to recover; if it is a copy made while nobody had "
                    + "it open, remove the latter"
            )
        }
        // Processes may have died, but what they wrote is with the system.
        if point.boot == boot { return }
        if point.pages.isEmpty {
            throw StateError(
                .storageDamaged,
                "the machine stopped while \(file) was open with sync: .none, so its content cannot be trusted; remove it "
                    + "and \(path(of: file)), or put a copy in its place"
            )
        }
        let descriptor = open(file, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .storage(errno, "recover", file) }
        defer { close(descriptor) }
        let count = point.pages.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        guard count == point.pages.count, fsync(descriptor) == 0 else { throw .storage(errno, "recover", file) }
    }

    /// Puts it on the disk in place of the one before; the disk has it when this returns.
    func write(beside file: String) throws(StateError) {
        let path = Self.path(of: file), new = path + ".new"
        let descriptor = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .storage(errno, "write", new) }
        let bytes = encoded()
        let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        var error = count == bytes.count ? 0 : (count < 0 ? errno : ENOSPC)
        if error == 0, fsync(descriptor) != 0 { error = errno }
        close(descriptor)
        if error == 0, rename(new, path) != 0 { error = errno }
        if error != 0 {
            unlink(new)
            throw .storage(error, "write", path)
        }
        Self.syncDirectory(of: path)
    }

    static func remove(beside file: String) {
        unlink(path(of: file))
        syncDirectory(of: file)
    }

    // MARK: The bytes: magic, file number, file length, length of the boot's name, that name, pages, sum

    init(boot: [UInt8], pages: [UInt8], of file: String) throws(StateError) {
        var status = stat()
        guard stat(file, &status) == 0 else { throw .storage(errno, "sync", file) }
        fileNumber = UInt64(status.st_ino)
        fileLength = pages.isEmpty ? 0 : UInt64(status.st_size)
        self.boot = boot
        self.pages = pages
    }

    private init?(_ bytes: [UInt8]) {
        let numbers = Self.magic.count, start = numbers + 17
        guard bytes.count >= start + 8, bytes.starts(with: Self.magic) else { return nil }
        let end = bytes.count - 8, bootEnd = start + Int(bytes[start - 1])
        guard bootEnd <= end, Self.sum(of: bytes[..<end]) == Array(bytes[end...]) else { return nil }
        func number(at place: Int) -> UInt64 { bytes[place..<place + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        fileNumber = number(at: numbers)
        fileLength = number(at: numbers + 8)
        boot = Array(bytes[start..<bootEnd])
        pages = Array(bytes[bootEnd..<end])
    }

    private func encoded() -> [UInt8] {
        var bytes = Self.magic
        for number in [fileNumber, fileLength] { withUnsafeBytes(of: number.bigEndian) { bytes += $0 } }
        bytes += [UInt8(clamping: boot.count)] + boot + pages
        return bytes + Self.sum(of: bytes[...])
    }

    /// The FNV-1a hash, 64 bits.
    private static func sum(of bytes: ArraySlice<UInt8>) -> [UInt8] {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return withUnsafeBytes(of: hash.bigEndian) { Array($0) }
    }

    private static func readFile(_ path: String) throws(StateError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw .storage(errno, "read", path) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 18), count = 0
        while count < bytes.count {
            let part = bytes.withUnsafeMutableBytes { bytes in
                read(descriptor, bytes.baseAddress.map { $0 + count }, bytes.count - count)
            }
            guard part >= 0 else { throw .storage(errno, "read", path) }
            if part == 0 { break }
            count += part
        }
        return Array(bytes[..<count])
    }

    private static func syncDirectory(of path: String) {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = open(directory.isEmpty ? "/" : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        close(descriptor)
    }
}
