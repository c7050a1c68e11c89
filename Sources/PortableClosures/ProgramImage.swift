// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CPortableClosures
internal import Synchronization

/// One file of machine code mapped into this process: the program itself or a shared library.
package struct ProgramImage: Sendable {
    /// What the file is recognised by in another process: its build id in hex or, without one, its name and size.
    package let identity: String
    package let isProgram: Bool
    let base: UInt
    let addresses: Range<UInt>

    init(_ image: cpc_image) {
        base = image.base
        addresses = min(image.start, image.end)..<image.end
        isProgram = image.is_program != 0
        let id = withUnsafeBytes(of: image.build_id) { Array($0.prefix(image.build_id_length)) }
        if id.isEmpty {
            let name = image.name.map { String(cString: $0) } ?? ""
            identity = "\(name.split(separator: "/").last ?? "program"):\(addresses.count)"
        } else {
            identity = id.reduce(into: "") { $0 += ($1 < 16 ? "0" : "") + String($1, radix: 16) }
        }
    }

    /// Identity of the running program.
    ///
    /// Processes with equal identities hold the same code at the same offsets.
    package static var programIdentity: String { program.identity }

    static let program: ProgramImage =
        loaded(atMost: 1).first(where: \.isProgram) ?? loaded().first(where: \.isProgram) ?? ProgramImage(cpc_image())

    /// The image that holds `address`; nil for memory that is not code or constant data of a file.
    static func containing(_ address: UnsafeRawPointer) -> ProgramImage? {
        if program.addresses.contains(UInt(bitPattern: address)) { return program }
        return find { $0.addresses.contains(UInt(bitPattern: address)) }
    }

    static func identified(by identity: String) -> ProgramImage? {
        find { $0.identity == identity }
    }

    /// Images seen so far.
    ///
    /// Libraries opened later are found by looking again; closed ones are not expected.
    private static let known = Mutex<[ProgramImage]>([])

    private static func find(_ matches: (ProgramImage) -> Bool) -> ProgramImage? {
        if let image = known.withLock({ $0.first(where: matches) }) { return image }
        let images = loaded()
        known.withLock { $0 = images }
        return images.first(where: matches)
    }

    /// The images of this process, as many of the first as are wanted; the program itself is the first.
    private static func loaded(atMost count: Int = .max) -> [ProgramImage] {
        var images: (list: [ProgramImage], wanted: Int) = ([], count)
        withUnsafeMutablePointer(to: &images) { list in
            cpc_each_image(
                { image, list in
                    if let image, let list {
                        let images = list.assumingMemoryBound(to: (list: [ProgramImage], wanted: Int).self)
                        images.pointee.list.append(ProgramImage(image.pointee))
                        // Anything but 0 ends it.
                        return images.pointee.list.count >= images.pointee.wanted ? 1 : 0
                    }
                    return 0
                },
                list
            )
        }
        return images.list
    }
}
