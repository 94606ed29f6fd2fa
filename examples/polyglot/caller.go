// Calls a service that is protected by amesh, with HTTP message signatures (RFC 9421) and Go's standard library alone.
//
//	caller KEYFILE                      prints the public key, for `amesh add`; makes the key if there is none
//	caller KEYFILE METHOD URL [BODY]    calls
//
// The rules are in docs/protocol.md, section 3.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"
)

func openKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	if private, ok := key.(*ecdsa.PrivateKey); ok && private.Curve == elliptic.P256() {
		return private, nil
	}
	return nil, fmt.Errorf("%s is not a P-256 key", path)
}

func makeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return key, os.WriteFile(path, text, 0o600)
}

func deviceID(key *ecdsa.PrivateKey) string {
	point := sha256.Sum256(elliptic.MarshalCompressed(key.Curve, key.X, key.Y))
	return "am_" + base64.RawURLEncoding.EncodeToString(point[:])[:16]
}

func byteSequence(data []byte) string {
	return ":" + base64.StdEncoding.EncodeToString(data) + ":"
}

// authority is the host as a server knows it: lower case, without the scheme's own port.
func authority(request *http.Request) string {
	host := strings.ToLower(request.URL.Host)
	return strings.TrimSuffix(host, map[string]string{"http": ":80", "https": ":443"}[request.URL.Scheme])
}

// asciiQuery percent-encodes what cannot be sent as it is; net/url does so for the path alone.
func asciiQuery(query string) string {
	var ascii strings.Builder
	for _, char := range []byte(query) {
		if char > ' ' && char < 0x7f {
			ascii.WriteByte(char)
		} else {
			fmt.Fprintf(&ascii, "%%%02X", char)
		}
	}
	return ascii.String()
}

// sign adds the proof to a request that is otherwise complete.
func sign(request *http.Request, key *ecdsa.PrivateKey, body []byte) error {
	path := request.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	covered := [][2]string{{"@method", request.Method}, {"@authority", authority(request)}, {"@path", path}}
	if request.URL.RawQuery != "" || request.URL.ForceQuery {
		covered = append(covered, [2]string{"@query", "?" + request.URL.RawQuery})
	}
	if len(body) > 0 {
		digest := sha256.Sum256(body)
		request.Header.Set("Content-Digest", "sha-256="+byteSequence(digest[:]))
		covered = append(covered, [2]string{"content-digest", request.Header.Get("Content-Digest")})
	}
	if value := request.Header.Get("Content-Type"); value != "" {
		covered = append(covered, [2]string{"content-type", value})
	}

	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	var names []string
	var base strings.Builder
	for _, component := range covered {
		names = append(names, `"`+component[0]+`"`)
		fmt.Fprintf(&base, "\"%s\": %s\n", component[0], component[1])
	}
	now := time.Now().Unix()
	parameters := fmt.Sprintf(`(%s);created=%d;expires=%d;nonce="%s";keyid="%s";alg="ecdsa-p256-sha256";tag="amesh"`,
		strings.Join(names, " "), now, now+60, base64.RawURLEncoding.EncodeToString(nonce), deviceID(key))
	base.WriteString(`"@signature-params": ` + parameters)

	hash := sha256.Sum256([]byte(base.String()))
	r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
	if err != nil {
		return err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	request.Header.Set("Signature-Input", "sig="+parameters)
	request.Header.Set("Signature", "sig="+byteSequence(signature))
	return nil
}

func call(key *ecdsa.PrivateKey, method, url, body string) (int, error) {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.URL.RawQuery = asciiQuery(request.URL.RawQuery)
	if strings.IndexFunc(request.URL.Host, func(char rune) bool { return char >= 0x80 }) >= 0 {
		return 0, fmt.Errorf("%s: write the host as it is sent, xn--...", url)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if err := sign(request, key, []byte(body)); err != nil {
		return 0, err
	}
	client := http.Client{Timeout: 30 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, string(answer))
	return response.StatusCode, err
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 && len(os.Args) != 4 && len(os.Args) != 5 {
		log.Fatal("usage: caller KEYFILE [METHOD URL [BODY]]")
	}
	key, err := openKey(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) == 2 {
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			log.Fatal(err)
		}
		pem.Encode(os.Stdout, &pem.Block{Type: "PUBLIC KEY", Bytes: der})
		return
	}
	status, err := call(key, os.Args[2], os.Args[3], strings.Join(os.Args[4:], ""))
	if err != nil {
		log.Fatal(err)
	}
	if status >= 400 {
		os.Exit(1)
	}
}
