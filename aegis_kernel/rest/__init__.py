"""The REST wire: alone knows base64, camelCase, status codes and HTTP."""
