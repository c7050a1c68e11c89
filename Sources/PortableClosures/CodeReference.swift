// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

/// An address of code or constant data, as another process of the same program can find it: image and offset.
struct CodeReference: Hashable, Sendable {
    /// Nil for the program itself, whose identity peers compare when they connect.
    let image: String?
    let offset: Int

    init(_ address: UnsafeRawPointer) throws(PortableClosureError) {
        guard let image = ProgramImage.containing(address) else {
            throw PortableClosureError(
                .codeNotFound,
                "code at \(address) belongs to no file of this program; closures made by a JIT or plug-in cannot travel"
            )
        }
        self.image = image.isProgram ? nil : image.identity
        offset = Int(bitPattern: UInt(bitPattern: address) &- image.base)
    }

    /// The address in this process; never one outside the image.
    func resolve() throws(PortableClosureError) -> UnsafeRawPointer {
        guard let found = image.map(ProgramImage.identified(by:)) ?? ProgramImage.program else {
            throw PortableClosureError(
                .codeNotFound,
                "library with build id \(image ?? "") is not loaded here; run the same build of it on both sides"
            )
        }
        let address = found.base &+ UInt(bitPattern: offset)
        guard found.addresses.contains(address), let pointer = UnsafeRawPointer(bitPattern: address) else {
            throw PortableClosureError(.malformed, "code offset \(offset) lies outside \(image ?? "the program")")
        }
        return pointer
    }
}

/// On the wire an offset into the program is a number; one into a library is a pair of build id and offset.
extension CodeReference: Codable {
    init(from decoder: any Decoder) throws {
        if let offset = try? decoder.singleValueContainer().decode(Int.self) {
            image = nil
            self.offset = offset
        } else {
            var pair = try decoder.unkeyedContainer()
            image = try pair.decode(String.self)
            offset = try pair.decode(Int.self)
        }
    }

    func encode(to encoder: any Encoder) throws {
        guard let image else {
            var container = encoder.singleValueContainer()
            return try container.encode(offset)
        }
        var pair = encoder.unkeyedContainer()
        try pair.encode(image)
        try pair.encode(offset)
    }
}
