// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CSharedStore
internal import Glibc
internal import Logging
internal import ZProcCore
internal import ZProcSharedEngine

extension StateTable {
    /// The state of a root context.
    ///
    /// - Parameters:
    ///   - options: how it is to be kept.
    ///   - backend: what decides where nothing else does.
    ///   - directory: where shared memory may be when there is no better place.
    /// - Returns: The table.
    /// - Throws: ``StateError`` when the place cannot be used.
    static func own(
        _ options: StateOptions,
        on backend: Backend,
        beside directory: RuntimeDirectory?
    ) throws -> StateTable {
        let isDirect = options.access == .automatic
        if case .file(let path, let sync) = options.persistence {
            let store = try SharedStore.create(at: absolute(path), sync: sync, history: options.history)
            return StateTable(own: store, reference: isDirect ? store.reference : nil)
        }
        let isShared =
            switch options.engine {
            case .automatic: backend == .processes
            case .memory: false
            case .shared: true
            }
        guard isShared else { return StateTable(own: MemoryStore(history: options.history)) }
        let memory = try sharedMemory(beside: directory)
        let store = try SharedStore.create(at: "\(memory.path)/state", sync: nil, history: options.history)
        return StateTable(own: store, reference: isDirect ? store.reference : nil, directory: memory)
    }

    /// Less than this is too little for a state.
    private static let leastFree: UInt64 = 32 << 20

    /// A private directory in memory; on a disk when there is little memory for files.
    private static func sharedMemory(beside directory: RuntimeDirectory?) throws -> RuntimeDirectory {
        var isMemory = false, free: UInt64 = 0
        if cshared_file_system("/dev/shm", &isMemory, &free) == 0, isMemory, free >= leastFree,
            let memory = try? RuntimeDirectory(in: "/dev/shm")
        {
            return memory
        }
        let fallback = try directory ?? RuntimeDirectory()
        Log.state.warning(
            "the shared state is kept in \(fallback.path): /dev/shm is no memory file system with \(leastFree >> 20) MiB free",
            metadata: Log.facts([.path: fallback.path])
        )
        return fallback
    }

    private static func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let directory = getcwd(nil, 0) else { return path }
        defer { free(directory) }
        return "\(String(cString: directory))/\(path)"
    }
}

extension SharedStore {
    fileprivate var reference: StoreReference { StoreReference(path: path, number: number) }
}
