import Base
import Crypto

/// The one inline stylesheet of all pages; the content security policy names it by its hash.
struct PageStyle: Sendable {
  let css: String
  /// `sha256-…`, for `style-src`.
  let hash: String

  init(color: BrandColor) {
    let paper = BrandColor.white
    let night = BrandColor("#1a1c21") ?? .black
    let ink = color.readable(on: paper, towards: .black)
    let glow = color.readable(on: night, towards: .white)
    let onBrand =
      BrandColor.white.contrast(to: color) >= BrandColor.black.contrast(to: color)
      ? BrandColor.white : .black
    css =
      ":root{--brand:\(color.text);--on-brand:\(onBrand.text);--link:\(ink.text);--glow:\(glow.text)}"
      + Self.rules
    hash = "sha256-" + Base64.encode(Array(SHA256.hash(data: Array(css.utf8))))
  }

  private static let rules = """
    :root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--text:#1d2129;--soft:#596170;--line:#e3e6ea;--good:#1a7f4b;--good-bg:#e6f4ec;--wait:#8a5a00;--wait-bg:#fdf2dc;--bad:#b3372b;--bad-bg:#fbeae8;--note:#fdf8ec;--note-line:#f0dfb4}
    @media (prefers-color-scheme:dark){:root{--bg:#111317;--card:#1a1c21;--text:#eceef2;--soft:#a4acba;--line:#2c3038;--link:var(--glow);--good:#5fcf95;--good-bg:#173427;--wait:#eabb62;--wait-bg:#372a12;--bad:#f08f84;--bad-bg:#3c1f1c;--note:#262115;--note-line:#4a3f22}}
    *{box-sizing:border-box}
    body{margin:0;min-height:100vh;display:flex;justify-content:center;padding:9vh 20px 40px;background:var(--bg);color:var(--text);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
    main{width:100%;max-width:560px;align-self:flex-start;background:var(--card);border:1px solid var(--line);border-radius:16px;box-shadow:0 1px 2px rgba(16,24,40,.04),0 12px 32px rgba(16,24,40,.06);overflow:hidden}
    header{display:flex;align-items:center;gap:12px;padding:20px 32px;border-bottom:1px solid var(--line)}
    header img{display:block;height:40px;width:auto;max-width:100%}
    .mark{flex:none;display:grid;place-items:center;width:36px;height:36px;border-radius:10px;background:var(--brand);color:var(--on-brand);font-weight:650;font-size:17px}
    .name{font-weight:600;overflow-wrap:anywhere}
    section{padding:28px 32px}
    section+section{border-top:1px solid var(--line)}
    .sign{display:block;width:48px;height:48px;margin-bottom:20px;fill:none;stroke-width:3;stroke-linecap:round;stroke-linejoin:round}
    .sign circle{stroke:none}
    .good .sign circle{fill:var(--good-bg)}.good .sign path{stroke:var(--good)}
    .wait .sign circle{fill:var(--wait-bg)}.wait .sign path{stroke:var(--wait)}
    .bad .sign circle{fill:var(--bad-bg)}.bad .sign path{stroke:var(--bad);stroke-width:4}
    h1{margin:0 0 8px;font-size:25px;line-height:1.25;font-weight:650;letter-spacing:-.012em;text-wrap:balance}
    h2{margin:0 0 10px;font-size:15px;line-height:1.4;font-weight:600}
    p{margin:0}
    .lead{color:var(--soft);font-size:16.5px;text-wrap:pretty}
    .store{margin-top:16px;font-size:14px;color:var(--soft)}
    code{font:.92em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;color:var(--text);overflow-wrap:anywhere}
    .store code{padding:2px 8px;border:1px solid var(--line);border-radius:6px}
    ol,ul{margin:0;padding-left:22px}
    li+li{margin-top:8px}
    li::marker{color:var(--soft)}
    .note{background:var(--note);border-color:var(--note-line)}
    .note p{font-size:15px;margin-bottom:10px}
    .note li{font-size:14.5px}.note li+li{margin-top:2px}
    footer{display:flex;flex-wrap:wrap;gap:6px 24px;align-items:baseline;justify-content:space-between;padding:16px 32px;border-top:1px solid var(--line);font-size:13.5px;color:var(--soft)}
    footer code{color:var(--soft)}
    a{color:var(--link);font-weight:550;text-underline-offset:3px}
    a:focus-visible{outline:2px solid var(--link);outline-offset:3px;border-radius:3px}
    @media (max-width:480px){body{padding:0;background:var(--card)}main{border:0;border-radius:0;box-shadow:none;max-width:none}header,section,footer{padding-left:22px;padding-right:22px}h1{font-size:23px}}
    """
}
