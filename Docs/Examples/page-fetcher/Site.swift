// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import ExampleSupport
import Glibc

/// A site with linked pages on a local port, for as long as the program runs.
struct Site {
    /// Where it is.
    let port: Int

    /// Begins to answer.
    ///
    /// - Parameters:
    ///   - pageCount: how many pages it has; page n links to 2n + 1 and 2n + 2.
    ///   - delay: how long each answer takes.
    /// - Throws: ``Surprise`` when no socket can be made.
    init(pageCount: Int, delay: DispatchTimeInterval) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in(), length = socklen_t(MemoryLayout<sockaddr_in>.size)
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isBound else { throw Surprise("no local port to be had: \(String(cString: strerror(errno)))") }
        port = Int(UInt16(bigEndian: address.sin_port))
        let queue = DispatchQueue(label: "site", attributes: .concurrent)
        queue.async {
            while true {
                let caller = accept(listener, nil, nil)
                guard caller >= 0 else { continue }
                // No worker started meanwhile keeps the connection open.
                _ = fcntl(caller, F_SETFD, FD_CLOEXEC)
                queue.async {
                    var request = [UInt8](repeating: 0, count: 4_096)
                    let count = read(caller, &request, request.count)
                    let words = String(decoding: request.prefix(max(0, count)), as: UTF8.self).split(separator: " ")
                    let answer = Self.answer(words.dropFirst().first.flatMap { Int($0.dropFirst()) }, of: pageCount)
                    queue.asyncAfter(deadline: .now() + delay) {
                        _ = write(caller, answer, answer.utf8.count)
                        close(caller)
                    }
                }
            }
        }
    }

    private static func answer(_ page: Int?, of pageCount: Int) -> String {
        let isThere = page.map { (0..<pageCount).contains($0) } == true, page = page ?? 0
        let links = [2 * page + 1, 2 * page + 2].filter { $0 < pageCount }.map { "<a href=\"/\($0)\">\($0)</a>" }
        let body = isThere ? "<p>page \(page)</p>" + links.joined() : "not found"
        return "HTTP/1.1 \(isThere ? "200 OK" : "404 Not Found")\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Content-Type: text/html\r\nConnection: close\r\n\r\n\(body)"
    }
}
